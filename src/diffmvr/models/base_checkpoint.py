"""Where a base is: a folder, one file, or the hub; and which folder holds each of its parts."""

from pathlib import Path

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.config_files import read_config
from diffmvr.models.hub import download_command, fetch
from diffmvr.models.state_dicts import PICKLED, pickled_remedy
from diffmvr.models.vae import trained_side
from diffmvr.parsing import user_path

SD15_ID = "stable-diffusion-v1-5/stable-diffusion-v1-5"
# Settings and full weights; of the published ones not the text tower, half precision or non-EMA.
HUB_PATTERNS = ("*.json", "*/diffusion_pytorch_model.safetensors", "README.md")
HUB_NEEDED = (
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "scheduler/scheduler_config.json",
)


def part_folder(folder: Path, part: str) -> Path:
    """Return the folder of a part, in the model's folder or in that of its base."""
    reference = folder / "base.json"
    if (folder / part).is_dir() or not reference.is_file():
        return folder / part
    base = read_config(reference, None).get("base")
    if not isinstance(base, str):
        raise ValueError(f"{reference}: base: expected the path of a model folder, got {base!r}")
    return (folder / base / part).resolve()


def read_trained_side(folder: Path) -> int:
    """Return the side of the square frames that a model was made for, of its settings alone.

    Args:
        folder: of a whole model.
    """
    unet, vae = (part / "config.json" for part in (folder / "unet", part_folder(folder, "vae")))
    return trained_side(read_config(unet, None), read_config(vae, None))


def resolve_base(base: str | Path) -> Path:
    """Return the local folder or the ``.safetensors`` file of a base; see ``resolve_folder``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is a file of another kind.
    """
    path = user_path(base)
    if path.is_file():
        if path.suffix in PICKLED:
            raise ValueError(f"base: {path}: {pickled_remedy(path)}")
        if path.suffix != ".safetensors":
            raise ValueError(f"base: expected a folder or a .safetensors file, got {path}")
        return path
    return resolve_folder(base)


def resolve_folder(base: str | Path) -> Path:
    """Return the local folder of a base: of a run's folder its model, of a hub id, fetched once.

    Raises:
        FileNotFoundError: if a local path does not exist, or the hub's cache lacks the files and
            they cannot be fetched now.
    """
    path = user_path(base)
    if path.is_dir():
        return path / "model" if (path / "model" / "unet").is_dir() else path
    looks_local = (
        str(base).count("/") != 1
        or str(base).startswith((".", "~", "/"))
        or path.suffix in (*PICKLED, ".safetensors")
    )
    if looks_local:
        raise WeightsNotPresentError(
            f"weights not present: no model folder at {path}; give a folder with unet/, vae/ and "
            "scheduler/, one .safetensors file, or a hub id; for Stable Diffusion 1.5 run "
            f"`{download_command(SD15_ID, HUB_PATTERNS, path.with_suffix(''))}`"
        )
    place = f"weights/{path.name}"
    return fetch(str(base), HUB_PATTERNS, HUB_NEEDED, place, f"model.components.base={place}")
