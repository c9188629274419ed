"""Where the settings live, and where the shipped weights do."""

from pathlib import Path

from omegaconf import OmegaConf

from diffmvr.sweep_names import varied_part

PACKAGE = Path(__file__).resolve().parent


def config_dir() -> Path:
    """Return the folder of Hydra configs: ``<package>/conf`` in a wheel, ``<repo>/conf`` else.

    Raises:
        FileNotFoundError: if neither holds ``train.yaml``.
    """
    candidates = (PACKAGE / "conf", PACKAGE.parents[1] / "conf")
    for candidate in candidates:
        if (candidate / "train.yaml").is_file():
            return candidate
    raise FileNotFoundError(
        "no conf/train.yaml in " + " or ".join(map(str, candidates)) + "; reinstall diffmvr"
    )


def settings_file(command: str) -> Path | None:
    """Return the YAML file of a command's settings; ``None`` if there is no such command.

    Args:
        command: its name, e.g. ``"restore"``.
    """
    folder = config_dir()
    found = (folder / f"{command}.yaml", *sorted(folder.glob(f"*/{command}.yaml")))
    return next((path for path in found if path.is_file()), None)


def weights_dir() -> Path:
    """Return the folder of the small weights that ship with the package."""
    return PACKAGE / "weights"


def register_resolvers() -> None:
    """Let configs name the shipped weights as ``${diffmvr_weights:}``, and a job's folder.

    ``${diffmvr_conf:}`` is the folder of all configs; ``${diffmvr_shard:${shard}}`` is
    ``/shard-1-of-4`` for 1/4, and nothing for null; ``${diffmvr_varied:}`` is what tells this job
    from the others of a sweep.
    """
    OmegaConf.register_new_resolver("diffmvr_weights", lambda: str(weights_dir()), replace=True)
    OmegaConf.register_new_resolver("diffmvr_conf", lambda: str(config_dir()), replace=True)
    OmegaConf.register_new_resolver("diffmvr_shard", _shard_folder, replace=True)
    OmegaConf.register_new_resolver("diffmvr_varied", varied_part, replace=True)


def _shard_folder(shard: str | None) -> str:
    return f"/shard-{str(shard).replace('/', '-of-')}" if shard else ""


# At import: a process to which a launcher sends a job resolves settings before it runs anything.
register_resolvers()
