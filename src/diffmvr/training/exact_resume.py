"""Checkpoints from which a run goes on bit for bit, whenever and however it was stopped.

Weights, optimizer, average and schedule change once an optimizer step; Lightning's counters and the
loader's position change at many moments in between.  A checkpoint is exact if all of them are of
one moment: the end of the last batch that an optimizer step came after.  What is begun and not
ended then (batches whose gradients are still being accumulated, a validation) is done again.
"""

import logging
import random
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch.optim import Optimizer

from diffmvr.runs.checkpoint_io import HALF_WRITTEN
from diffmvr.seeds import step_seed

log = logging.getLogger(__name__)

CRASH_FILE = "crash.ckpt"


class ExactResume(L.Callback):
    """Makes every checkpoint exact, and writes one when training crashes or is interrupted.

    Lightning's ``OnExceptionCheckpoint`` is no base: it writes whatever stands in memory (an
    average that is being validated, a batch that was taken and not learnt from), waits for
    processes that may be gone, and lets ``ckpt_path=null`` resume.

    The last callback that is no checkpoint's: what the others do after a batch is then done.

    Args:
        folder: of the run's checkpoints; ``crash.ckpt`` goes there.  It is removed when the run
            ends.
        seed: the global generators of torch, NumPy and Python start every batch from (seed, batch,
            rank), so that what they have drawn before does not matter.
    """

    def __init__(self, folder: str | Path, seed: int = 0) -> None:
        self._file = Path(folder) / CRASH_FILE
        self._seed = seed
        self._loops: dict[str, Any] | None = None
        self._is_exact = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget an earlier run."""
        self._loops, self._is_exact = None, False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What was loaded is of one moment: a validation may come before any batch."""
        self._is_exact = True

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the global generators."""
        batches = trainer.fit_loop.epoch_loop.total_batch_idx
        mixed = step_seed(self._seed, batches, trainer.global_rank)
        torch.manual_seed(mixed)
        random.seed(mixed)
        np.random.seed(mixed % 2**32)

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        """From here to the end of the batch the parts do not belong together."""
        self._is_exact = False

    def on_train_batch_end(self, trainer: L.Trainer, *_args: Any, **_kwargs: Any) -> None:
        """Note where the loops are, if an optimizer step was done."""
        if not trainer.fit_loop._should_accumulate():
            self._loops = _after_batch(trainer)
            self._is_exact = True

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note that this validation is done, unless the batch before it will be taken again."""
        if self._is_exact and not trainer.fit_loop._should_accumulate():
            self._loops = _settled(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on the module may hold its average."""
        self._is_exact = False

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the loops as they were when the rest was made."""
        if self._loops is not None:
            checkpoint["loops"]["fit_loop"] = self._loops

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Write ``crash.ckpt``, if what is in memory is of one moment.

        The first process does it alone and waits for nobody.  Where another one crashes, the first
        may be stopped before it learns of it: the other says what there is to go on from.
        """
        if not trainer.is_global_zero:
            files = self._file.parent.glob("*.ckpt")
            newest = max(files, key=lambda file: file.stat().st_mtime_ns, default=None)
            log.warning(
                "process %d stopped after step %d and saves nothing, that is for process 0; the "
                "newest checkpoint so far: %s",
                trainer.global_rank,
                trainer.global_step,
                newest or f"none in {self._file.parent}",
            )
            return
        if self._loops is None:
            return
        if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            log.warning(
                "no checkpoint of the crash: no process has all weights; see ckpt_path=last"
            )
            return
        if not self._is_exact:
            log.warning("no checkpoint of the crash: it came in the middle of a step")
            return
        try:
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.checkpoint_io.save_checkpoint(checkpoint, self._file)
        except (OSError, RuntimeError) as error:
            # It must not hide what went wrong first.
            log.warning("no checkpoint of the crash: %s", error)
        else:
            log.warning("training stopped after step %d: %s", trainer.global_step, self._file)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Leave no crash's checkpoint, nor half of one, behind a run that has ended well."""
        if stage == "fit" and trainer.is_global_zero:
            for left in (self._file, *self._file.parent.glob(HALF_WRITTEN)):
                left.unlink(missing_ok=True)


class LastValidation(L.Callback):
    """Does the validation that was due when a run was stopped after its last step.

    Lightning ends such a run without it.  The first callback of all: when the fit ends the others
    put the average in the weights' place.
    """

    def __init__(self) -> None:
        self._is_due = False

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note if nothing but a validation was left to do."""
        validation = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]["total"]
        is_over = checkpoint["global_step"] >= trainer.max_steps > 0
        self._is_due = is_over and validation["ready"] > validation["completed"]

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Validate, as after any other batch."""
        if self._is_due:
            self._is_due = False
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.run()
            trainer.training = True


def _settled(trainer: L.Trainer) -> dict[str, Any]:
    """Return the loops' state with no validation under way."""
    state: dict[str, Any] = trainer.fit_loop.state_dict()
    total = state["epoch_loop.val_loop.batch_progress"]["total"]
    total |= dict.fromkeys(("ready", "started", "processed"), total["completed"])
    return state


def _after_batch(trainer: L.Trainer) -> dict[str, Any]:
    """Return the loops' state at the end of a batch, to go on with the validation that is due.

    Lightning would take such a state for one in which the validation is done already.
    """
    state = _settled(trainer)
    loop = trainer.fit_loop
    fetcher: Any = loop._data_fetcher
    if loop.epoch_loop._should_check_val_fx(fetcher):
        for part in ("total", "current"):
            state["epoch_loop.batch_progress"][part]["completed"] += 1
        # One batch begun: Lightning then starts the validation over.
        validation = state["epoch_loop.val_loop.batch_progress"]
        validation["current"] |= dict.fromkeys(validation["current"], 0)
        validation["total"]["ready"] += 1
        validation["total"]["started"] += 1
    return state
