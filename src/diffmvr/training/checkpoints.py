"""Where runs continue from, and what they leave behind."""

import logging
import reprlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from diffmvr.files import replace_folder
from diffmvr.models.components import Components
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.runs.checkpoint_io import (
    DamagedCheckpointError,
    newest_checkpoint,
    read_checkpoint,
)
from diffmvr.tensor_files import check_finite_weights
from diffmvr.training.model_card import licence_of, write_model_card

log = logging.getLogger(__name__)

PARTS: dict[str, tuple[type, str]] = {
    "state_dict": (dict, "the weights"),
    "optimizer_states": (list, "the optimizer's state"),
    "lr_schedulers": (list, "the schedule of the learning rate"),
    "callbacks": (dict, "what the callbacks keep (the average of the weights)"),
    "loops": (dict, "the place in the data"),
    "epoch": (int, "the epoch"),
    "global_step": (int, "the step"),
    "pytorch-lightning_version": (str, "Lightning's version"),
}
LOOPS = (
    "epoch_loop.batch_progress",
    "epoch_loop.val_loop.batch_progress",
    "epoch_loop.automatic_optimization.optim_progress",
    "epoch_progress",
)
"""Parts of a checkpoint without which a run cannot go on."""


def find_checkpoint(ckpt_path: str | None, folder: Path) -> str | None:
    """Return the checkpoint to go on from.

    Args:
        ckpt_path: None, ``"last"``, or a file.
        folder: the run's checkpoint folder, searched for ``last``.

    Raises:
        FileNotFoundError: if there is none where one was asked for.
        DamagedCheckpointError: if all of the folder's are damaged.
    """
    if ckpt_path is None:
        return None
    path = newest_checkpoint(folder) if ckpt_path == "last" else Path(ckpt_path)
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"ckpt_path={ckpt_path}: no checkpoint at {path or folder / '*.ckpt'}; "
            "give the run's folder with hydra.run.dir=…, or a checkpoint file"
        )
    return str(path)


def check_checkpoint(path: str, module: nn.Module) -> int:
    """Require a checkpoint to be whole and its weights to be those of a module.

    Args:
        path: the checkpoint.
        module: what it is to be loaded into.

    Returns:
        Optimizer steps that it comes after.

    Raises:
        DamagedCheckpointError: if the file is damaged, or no checkpoint.
        ValueError: if it is not of a training run, or a weight is missing, unknown or of another
            shape.
    """
    try:
        content = read_checkpoint(Path(path), mmap=True)
    except DamagedCheckpointError as error:
        raise DamagedCheckpointError(
            f"ckpt_path: {error}; name another one, or take ckpt_path=last: the newest of the "
            "run's folder that is whole"
        ) from error
    if "state_dict" not in content:
        raise ValueError(
            f"ckpt_path: {path} is not a checkpoint of a training run; a model folder is loaded "
            "with model.components.base=…"
        )
    check_parts(content, path)
    check_finite_weights(content["state_dict"], f"ckpt_path: {path}")
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
    return int(content["global_step"])


def check_parts(content: Mapping[str, Any], source: object) -> None:
    """Require everything in a checkpoint that a run goes on from.

    A file of weights alone is whole, too, and would be loaded half before anything is missed.

    Args:
        content: of the checkpoint.
        source: the file, for the message.

    Raises:
        ValueError: with the part that is absent or of another kind.
    """
    for name, (kind, what) in PARTS.items():
        if isinstance(content.get(name), kind):
            continue
        got = f"a {type(content[name]).__name__}" if name in content else "nothing"
        raise ValueError(
            f"ckpt_path: {source} lacks {what}: expected {name} as a {kind.__name__}, got {got}; a "
            "run goes on from a checkpoint that it wrote itself; to start a new one from weights "
            "alone give a model folder as model.components.base=…"
        )
    nested = [
        ("state_dict", content["state_dict"].values(), Tensor, ()),
        ("optimizer_states", content["optimizer_states"], dict, ("state", "param_groups")),
        ("lr_schedulers", content["lr_schedulers"], dict, ()),
        ("callbacks", content["callbacks"].values(), dict, ()),
        ("loops", [content["loops"].get("fit_loop")], dict, LOOPS),
    ]
    for name, entries, wanted, keys in nested:
        for entry in entries:
            missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if missing or not isinstance(entry, wanted):
                told = missing[0] if missing else f"{wanted.__name__}s"
                raise ValueError(
                    f"ckpt_path: {source}: {name}: expected {told}, got "
                    f"{reprlib.repr(list(entry) if isinstance(entry, dict) else entry)}; take a "
                    "checkpoint that a run wrote itself"
                )


def interval_checkpoint(
    dirpath: str, minutes: float | None = None, steps: int | None = None
) -> ModelCheckpoint:
    """Build a callback that keeps the newest state, written every so often, for long runs.

    Args:
        dirpath: the run's checkpoint folder.
        minutes: of training between two checkpoints.
        steps: optimizer steps between two; give one of the two.

    Raises:
        ValueError: if both are given, or none.
    """
    if (minutes is None) == (steps is None):
        raise ValueError(
            f"interval: expected minutes or steps, got minutes={minutes} and steps={steps}; set "
            "the other one to null"
        )
    return ModelCheckpoint(
        dirpath,
        filename="interval-step{step}",
        auto_insert_metric_name=False,
        every_n_train_steps=steps,
        train_time_interval=None if minutes is None else timedelta(minutes=minutes),
    )


def save_model(components: Components, folder: Path, facts: Mapping[str, object]) -> None:
    """Write a model folder with its card, in place of the one that is there."""
    with replace_folder(folder, "model") as new:
        DiffMVRPipeline.from_components(components).save_pretrained(new)
        licence = licence_of(components.unet.config)
        write_model_card(new, "DiffMVR", facts, {}, licence=licence)
