"""Checkpoints name the files beside them by name alone.

Lightning's ``ModelCheckpoint`` saves absolute paths, tells by them where a run lay, and removes the
files that they name when the run goes on.  Here they become names when a checkpoint is written, and
files of the run's own folder when it is read, whatever the checkpoint says.
"""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

_PATHS = ("dirpath", "best_model_path", "kth_best_model_path", "last_model_path")


class CheckpointPlaces(L.Callback):
    """Keeps folders out of checkpoints, and what checkpoints name in the run's own folder."""

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave the names of the files."""
        for callback, state in _states(trainer, checkpoint):
            checkpoint["callbacks"][callback.state_key] = {**_in_folder(state, None), "dirpath": ""}

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look for the files in the run's own folder; those of another run are not this one's."""
        for callback, state in _states(trainer, checkpoint):
            own = Path(str(callback.dirpath))
            came_from = Path(str(trainer.ckpt_path)).resolve().parent
            if came_from == own.resolve():
                here = {**_in_folder(state, own), "dirpath": str(own)}
            else:
                here = {**state, "dirpath": "", "best_model_path": ""}
            checkpoint["callbacks"][callback.state_key] = here


def _states(
    trainer: L.Trainer, checkpoint: Mapping[str, Any]
) -> list[tuple[ModelCheckpoint, dict[str, Any]]]:
    """Return those of ``ModelCheckpoint`` callbacks that a checkpoint holds."""
    saved = checkpoint.get("callbacks", {})
    return [
        (callback, saved[callback.state_key])
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint) and callback.state_key in saved
    ]


def _in_folder(state: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return a state whose files lie in a folder, or are names alone."""

    def place(path: str) -> str:
        name = PurePath(path).name
        if name in ("", ".."):
            return ""
        return name if folder is None else str(folder / name)

    moved = dict(state)
    moved |= {key: place(state[key]) for key in _PATHS if state.get(key)}
    best = state.get("best_k_models") or {}
    return {**moved, "best_k_models": {place(path): score for path, score in best.items()}}
