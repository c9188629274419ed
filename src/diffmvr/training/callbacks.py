"""Small callbacks of the training run."""

import math
import time
from typing import Any

import lightning as L
from lightning.pytorch.utilities.types import STEP_OUTPUT

from diffmvr.structures import ClipBatch
from diffmvr.training.encoding import EncodedBatch


class FrameThroughput(L.Callback):
    """Logs training frames per second, over all processes."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._frames = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._since, self._frames = time.monotonic(), 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: STEP_OUTPUT,
        batch: ClipBatch | EncodedBatch,
        batch_idx: int,
    ) -> None:
        """Count frames, and log at the trainer's interval."""
        self._frames += batch.num_frames
        if trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        elapsed = time.monotonic() - self._since
        speed = self._frames * trainer.world_size / max(elapsed, 1e-9)
        pl_module.log("train/frames_per_second", speed)
        self._since, self._frames = time.monotonic(), 0

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave validation time out."""
        self._since, self._frames = time.monotonic(), 0


class ValidationScores(L.Callback):
    """Keeps what the last validation gave, over a resume as well.

    Attributes:
        scores: by the names that are logged, e.g. ``val/psnr_hole``; finite ones alone.
    """

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep them, unless this is Lightning's trial before the training."""
        if not trainer.sanity_checking:
            found = {name: float(value) for name, value in trainer.callback_metrics.items()}
            self.scores = {
                name: value
                for name, value in found.items()
                if name.startswith("val/") and math.isfinite(value)
            }

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"scores": dict(self.scores)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what a checkpoint has kept."""
        self.scores = dict(state_dict["scores"])
