"""Where runs continue from, and what they leave behind."""

import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from diffmvr.models.components import Components
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.training.model_card import write_model_card


def find_checkpoint(ckpt_path: str | None, folder: Path) -> str | None:
    """Return the checkpoint to go on from.

    Args:
        ckpt_path: None, ``"last"``, or a file.
        folder: the run's checkpoint folder, searched for ``last``.

    Raises:
        FileNotFoundError: if there is none where one was asked for.
    """
    if ckpt_path is None:
        return None
    path = folder / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"ckpt_path={ckpt_path}: no checkpoint at {path}; "
            "give the run's folder with hydra.run.dir=…, or a checkpoint file"
        )
    return str(path)


def check_checkpoint(path: str, module: nn.Module) -> None:
    """Require a checkpoint's weights to be those of a module.

    Args:
        path: the checkpoint.
        module: what it is to be loaded into.

    Raises:
        ValueError: if the file is no checkpoint, or a weight is missing, unknown or of another
            shape.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        content = None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ValueError(
            f"ckpt_path: {path} is not a checkpoint of a training run; a model folder is loaded "
            "with model.components.base=…"
        )
    shapes = {key: tuple(value.shape) for key, value in content["state_dict"].items()}
    own = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    differing = sorted(key for key in shapes | own if shapes.get(key) != own.get(key))
    if differing:
        first = differing[0]
        raise ValueError(
            f"ckpt_path: {path} holds another architecture: {len(differing)} weights differ, the "
            f"first is {first}: {shapes.get(first, 'absent')} in the checkpoint, "
            f"{own.get(first, 'absent')} in the model; use the settings the run was started with"
        )


def save_model(components: Components, folder: Path, facts: Mapping[str, object]) -> None:
    """Write a model folder with its card, beside first, then renamed."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    DiffMVRPipeline.from_components(components).save_pretrained(partial)
    write_model_card(partial, "DiffMVR", facts, {})
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
