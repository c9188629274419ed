"""A trained module again, from a run's checkpoint: for a notebook, or code of one's own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.config import register_resolvers
from diffmvr.runs.checkpoint_io import read_checkpoint
from diffmvr.tensor_files import check_finite_weights
from diffmvr.training.checkpoints import check_checkpoint

if TYPE_CHECKING:
    from diffmvr.training.module import DiffMVRModule

SETTINGS_FILE = ".hydra/config.yaml"
# What the settings of a run's model name; a settings file can name any function there is.
KNOWN = (
    *("diffmvr.training.module.DiffMVRModule", "diffmvr.training.augmentation."),
    *("diffmvr.models.", "diffmvr.losses.", "torch.optim.", "diffusers."),
)


def load_module(
    path: str | Path,
    settings: str | Path | None = None,
    average: bool = True,
    trusted: bool = False,
) -> "DiffMVRModule":
    """Build the module that a run has trained, with a checkpoint's weights.

    The checkpoint is read without running anything it may hold.  Paths in the settings are those of
    the run: where its base was given as a relative path, so it is looked for here.

    Args:
        path: the checkpoint, e.g. ``outputs/train/…/checkpoints/last.ckpt``.
        settings: the run's; ``None``: ``.hydra/config.yaml`` in the run's folder.
        average: take the moving average of the weights, which is the model that a run saves and
            scores; False: the weights that training goes on with.
        trusted: whether the settings may name classes of other packages, which are then run.

    Returns:
        The module, on the CPU and in evaluation mode.

    Raises:
        FileNotFoundError: if checkpoint or settings are absent.
        DamagedCheckpointError: if the checkpoint is damaged.
        ValueError: if the settings are of no such model, name what is not trusted, or are those of
            another model than the checkpoint.
    """
    checkpoint = Path(path)
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"checkpoint: no file {checkpoint}; give one of RUN/checkpoints, such as last.ckpt"
        )
    file = checkpoint.parents[1] / SETTINGS_FILE if settings is None else Path(settings)
    if not file.is_file():
        raise FileNotFoundError(
            f"settings: no {file}; a checkpoint holds weights alone, so give the settings of its "
            f"run, RUN/{SETTINGS_FILE}"
        )
    module = _build(file, trusted)
    check_checkpoint(str(checkpoint), module)
    content = read_checkpoint(checkpoint)
    module.load_state_dict(content["state_dict"])
    if average:
        _take_average(module, content["callbacks"])
    return module.eval()


def _build(file: Path, trusted: bool) -> "DiffMVRModule":
    from diffmvr.training.module import DiffMVRModule

    register_resolvers()
    cfg = OmegaConf.load(file)
    if not isinstance(cfg, DictConfig) or OmegaConf.select(cfg, "model._target_") is None:
        raise ValueError(f"settings: {file} holds no model; give a run's {SETTINGS_FILE}")
    resolved: Any = OmegaConf.to_container(cfg.model, resolve=True)
    unknown = [name for name in _targets(resolved) if not name.startswith(KNOWN)]
    if unknown and not trusted:
        raise ValueError(
            f"settings: {file} names {unknown[0]}, which would be run; give trusted=True if you "
            "know who made it"
        )
    module = instantiate(resolved, _convert_="all")
    if not isinstance(module, DiffMVRModule):
        raise ValueError(
            f"settings: {file}: expected a DiffMVRModule as model, got {type(module).__name__}"
        )
    return module


def _targets(content: Any) -> Iterator[str]:
    """Yield the name of everything that settings would call."""
    values = content.values() if isinstance(content, Mapping) else content
    if isinstance(content, Mapping) and "_target_" in content:
        yield str(content["_target_"])
    if isinstance(content, Mapping | list):
        for value in values:
            yield from _targets(value)


@torch.no_grad()
def _take_average(module: "DiffMVRModule", callbacks: Mapping[str, Any]) -> None:
    """Give a module the average that a checkpoint keeps, if it keeps one."""
    kept = [state for key, state in callbacks.items() if key.startswith("EMACallback")]
    shadows = kept[0].get("shadow_params") if kept else None
    if not shadows:
        return
    check_finite_weights(dict(enumerate(shadows)), "checkpoint: the average of the weights")
    for own, average in zip(module.trainable_parameters(), shadows, strict=True):
        own.copy_(average)
