"""Where the weights of an OpenCLIP vision tower are, and what they were trained with.

Weights are a ``.safetensors`` file, ``local-dir:FOLDER`` (such a file and its
``open_clip_config.json``), or an OpenCLIP tag, whose file is taken from the hub's cache or fetched
once.  Only the vision tower is read; the text tower is never built.
"""

import logging
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.config_files import building, read_config
from diffmvr.models.hub import fetch
from diffmvr.models.state_dicts import PICKLED, pickled_remedy
from diffmvr.parsing import user_path
from diffmvr.tensor_files import read_tensors

log = logging.getLogger(__name__)

LOCAL_DIR = "local-dir:"
WEIGHTS_NAME = "open_clip_model.safetensors"
CONFIG_NAME = "open_clip_config.json"
PREFIX = "visual."
QUICK = "-quickgelu"

SETTING = "model.components.image_encoder"


@dataclass(frozen=True)
class TowerFiles:
    """The files of a tower.

    Attributes:
        weights: safetensors.
        config: ``open_clip_config.json`` beside them, if there is one.
    """

    weights: Path
    config: Path | None


def tower_settings(
    name: str, pretrained: str | Path | None, config: Path | None = None
) -> dict[str, Any]:
    """Return the arguments of ``GuideEncoder`` for an OpenCLIP model.

    What weights were trained with counts more than the architecture's default: ``ViT-L-14`` is a
    GELU model, OpenAI's weights for it need QuickGELU.

    Args:
        name: an OpenCLIP architecture with a ViT tower, e.g. ``ViT-L-14``.
        pretrained: an OpenCLIP tag says how its weights were trained; a file and None do not.
        config: ``open_clip_config.json`` of a file, which does.

    Raises:
        ValueError: if OpenCLIP has no such architecture, or its tower is not a plain ViT.
    """
    known = open_clip.get_model_config(name)
    if known is None:
        raise ValueError(
            f"image_encoder.name: OpenCLIP has no architecture {name!r}; "
            "open_clip.list_models() names them"
        )
    trained = open_clip.get_pretrained_cfg(name, str(pretrained))  # empty for a file or None
    quick = (trained or known).get("quick_gelu", False)
    settings = known
    if config is not None:
        told = read_config(config, None)
        settings, trained = told.get("model_cfg"), told.get("preprocess_cfg", {})
        if not isinstance(settings, dict) or not isinstance(trained, dict):
            raise ValueError(
                f"{config}: model_cfg, preprocess_cfg: expected settings by name, got "
                f"{reprlib.repr(settings)}, {reprlib.repr(trained)}; give OpenCLIP's own file"
            )
        quick = settings.get("quick_gelu", False)
    elif pretrained is not None and not trained and open_clip.get_model_config(name + QUICK):
        log.warning(
            "%s says nothing of its activation: GELU is taken; if these are OpenAI's weights, put "
            "%s beside them or name the architecture %s%s",
            *(pretrained, CONFIG_NAME, name, QUICK),
        )
    source = config or f"image_encoder.name: {name}"
    with building("vision tower", source):
        vision = settings["vision_cfg"]
        plain = isinstance(vision["layers"], int) and not vision.get("timm_model_name")
    if not plain:
        raise ValueError(f"image_encoder.name: the vision tower of {name!r} is not a plain ViT")
    with building("vision tower", source):
        return _tower_arguments(settings, trained, quick)


def _tower_arguments(
    settings: Mapping[str, Any], trained: Mapping[str, Any], quick: bool
) -> dict[str, Any]:
    vision = settings["vision_cfg"]
    return {
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "width": vision["width"],
        "layers": vision["layers"],
        "heads": vision["width"] // vision.get("head_width", 64),
        "mlp_ratio": vision.get("mlp_ratio", 4.0),
        "embed_dim": settings["embed_dim"],
        "image_mean": trained.get("mean", open_clip.OPENAI_DATASET_MEAN),
        "image_std": trained.get("std", open_clip.OPENAI_DATASET_STD),
        "quick_gelu": quick,
    }


def locate_tower(name: str, pretrained: str | Path) -> TowerFiles:
    """Return the files of a tower's weights.

    Args:
        name: the OpenCLIP architecture.
        pretrained: a ``.safetensors`` file, ``local-dir:FOLDER``, or an OpenCLIP tag.

    Raises:
        WeightsNotPresentError: if they are absent; with the command that brings them.
        ValueError: if they are pickled, or OpenCLIP has no such tag.
    """
    given = str(pretrained)
    if given.startswith(LOCAL_DIR):
        return _in_folder(user_path(given.removeprefix(LOCAL_DIR)), name)
    path = user_path(given)
    if path.suffix in PICKLED:
        raise ValueError(f"image_encoder: {path}: {pickled_remedy(path)}")
    if path.is_file():
        return _with_config(path)
    if path.is_dir():
        return _in_folder(path, name)
    tag = open_clip.get_pretrained_cfg(name, given)
    if not tag:
        looks_local = "/" in given or path.suffix == ".safetensors"
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        if looks_local:
            raise WeightsNotPresentError(f"weights not present: {path}; {_remedy(name)}")
        raise ValueError(
            f"image_encoder: OpenCLIP has no weights {given!r} for {name} (its tags: {tags}); "
            f"give a tag, a .safetensors file or {LOCAL_DIR}FOLDER"
        )
    repository, _, file = str(tag.get("hf_hub", "")).rpartition("/")
    if not repository or Path(file).suffix in PICKLED:
        raise ValueError(
            f"image_encoder: OpenCLIP publishes {name} {given} as a pickle only; convert it to "
            f"safetensors yourself and give {SETTING}=[{name},FILE.safetensors]"
        )
    file = file or WEIGHTS_NAME
    place = f"weights/{name}-{given}"
    folder = fetch(
        repository, [file, CONFIG_NAME], [file], place, f"{SETTING}=[{name},{LOCAL_DIR}{place}]"
    )
    # OpenCLIP's own table says how the weights of a tag were trained.
    return TowerFiles(folder / file, None)


def read_tower(files: TowerFiles) -> dict[str, Tensor]:
    """Return the vision tower's tensors under the names of ``open_clip``'s ``VisionTransformer``.

    Raises:
        ValueError: if the file holds no OpenCLIP vision tower.
    """
    state = read_tensors(files.weights)
    tower = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in state.items()
        if name.startswith(PREFIX)
    }
    if not tower:
        raise ValueError(
            f"image_encoder: {files.weights} holds no OpenCLIP vision tower (names that begin with "
            f"{PREFIX!r} are expected, the first here is {next(iter(state), 'none')!r}); give a "
            f"file that OpenCLIP saved, usually {WEIGHTS_NAME}"
        )
    return tower


def _in_folder(folder: Path, name: str) -> TowerFiles:
    found = folder / WEIGHTS_NAME
    if not found.is_file():
        others = sorted(folder.glob("*.safetensors"))
        if len(others) != 1:
            raise WeightsNotPresentError(f"weights not present: {found}; {_remedy(name, folder)}")
        found = others[0]
    return _with_config(found)


def _with_config(weights: Path) -> TowerFiles:
    config = weights.with_name(CONFIG_NAME)
    return TowerFiles(weights, config if config.is_file() else None)


def _remedy(name: str, folder: Path | None = None) -> str:
    """Return the command that brings published weights of an architecture."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    tag = "openai" if "openai" in tags else next((one for one in tags if "laion2b" in one), None)
    if tag is None:
        return f"give the weights of {name} that OpenCLIP saved"
    repository = open_clip.get_pretrained_cfg(name, tag)["hf_hub"].rstrip("/")
    place = folder or Path(f"weights/{name}-{tag}")
    return (
        f"run `hf download {repository} {WEIGHTS_NAME} {CONFIG_NAME} --local-dir {place}`, then "
        f"give {SETTING}=[{name},{LOCAL_DIR}{place}]"
    )
