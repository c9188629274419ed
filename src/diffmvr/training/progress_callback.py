"""How far a training has come: its steps, its loss and how fast it gets on."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.progress import TaskID

from diffmvr.progress import ProgressBars

# Between two looks at the loss: each waits for the device.
LOOK_SECONDS = 1.0


class TrainingProgress(L.Callback):
    """Shows a training on a terminal as bars, elsewhere as lines of the log.

    Shown is what a module logs with ``prog_bar=True``, and the frames a second of all processes
    where batches know their ``num_frames``.
    """

    def __init__(self) -> None:
        self._bars: ProgressBars | None = None
        self._training = self._validating = TaskID(0)
        self._since, self._frames = 0.0, 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin where the training does, in the first process alone."""
        if not trainer.is_global_zero:
            return
        steps = trainer.estimated_stepping_batches
        self._bars = ProgressBars()
        self._training = self._bars.add_task(
            "training",
            total=None if steps == float("inf") else steps,
            completed=trainer.global_step,
            unit="steps",
        )
        self._bars.start()
        self._since, self._frames = time.monotonic(), 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the step, and now and then look at the loss."""
        if self._bars is None:
            return
        self._bars.update(self._training, completed=trainer.global_step)
        self._frames += getattr(batch, "num_frames", 0)
        now = time.monotonic()
        if now - self._since < LOOK_SECONDS and trainer.global_step > 1:
            return
        said = [
            f"{name.removeprefix('train/')} {value:.3g}"
            for name, value in trainer.progress_bar_metrics.items()
            if isinstance(value, float)
        ]
        if self._frames:
            speed = self._frames * trainer.world_size / max(now - self._since, 1e-9)
            said.append(f"{speed:.3g} frames/s")
        if said:
            self._bars.update(self._training, details=", ".join(said))
        self._since, self._frames = now, 0

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the validation beside the training."""
        if self._bars is not None:
            batches = trainer.num_val_batches
            total = sum(batches) if isinstance(batches, list) else batches
            self._validating = self._bars.add_task("validating", total=total, unit="batches")

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the batch."""
        if self._bars is not None:
            self._bars.advance(self._validating)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the training alone, and the validation's time out of its speed."""
        if self._bars is not None:
            self._bars.remove_task(self._validating)
            self._since, self._frames = time.monotonic(), 0

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End the bars."""
        self._stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """End the bars: what comes next is about the error."""
        self._stop()

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
