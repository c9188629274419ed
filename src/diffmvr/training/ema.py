"""Exponential moving average of the trainable weights, in checkpoints and out of the way."""

from typing import Any, Protocol, runtime_checkable

import lightning as L
from diffusers.training_utils import EMAModel
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import nn

from diffmvr.tensor_files import check_finite_weights
from diffmvr.training.sharding import part_like, whole


@runtime_checkable
class Averaged(Protocol):
    """A module that says what of it is trained."""

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return what is trained, in an order that never changes."""
        ...


class EMACallback(L.Callback):
    """Averages what a module trains; validation and the final model use the average.

    Frozen parts are not averaged.

    Args:
        decay: largest decay; it grows from 0 as (1 + step) / (10 + step).
    """

    def __init__(self, decay: float = 0.999) -> None:
        self._decay = decay
        self._average: EMAModel | None = None
        self._saved: dict[str, Any] | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start from the current weights, or from the checkpoint's average."""
        parameters = _checked(pl_module).trainable_parameters()
        self._average = EMAModel(parameters, decay=self._decay)
        if self._saved is not None:
            self._load(self._average, self._saved)
        self._average.to(pl_module.device)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Average after every optimizer step."""
        if self._average is not None and trainer.global_step > self._average.optimization_step:
            self._average.step(_checked(pl_module).trainable_parameters())

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Validate the average."""
        if self._average is not None:
            self._average.store(_checked(pl_module).trainable_parameters())
            self._average.copy_to(_checked(pl_module).trainable_parameters())

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go back to the raw weights."""
        if self._average is not None:
            self._average.restore(_checked(pl_module).trainable_parameters())

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Go back to the raw weights, lest a checkpoint of the crash hold the average for them."""
        if self._average is not None and self._average.temp_stored_params is not None:
            self._average.restore(_checked(pl_module).trainable_parameters())

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the average in the module: it is the model that is scored and saved."""
        if self._average is not None:
            self._average.copy_to(_checked(pl_module).trainable_parameters())

    def state_dict(self) -> dict[str, Any]:
        """Return the average and its counters; every process has to call it."""
        state: dict[str, Any] = whole({} if self._average is None else self._average.state_dict())
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the checkpoint's average for ``on_fit_start``."""
        self._saved = state_dict or None
        if self._average is not None and self._saved is not None:
            self._load(self._average, self._saved)

    @staticmethod
    def _load(average: EMAModel, saved: dict[str, Any]) -> None:
        values = saved.get("shadow_params")
        shapes = [tuple(own.shape) for own in average.shadow_params]
        if not isinstance(values, list) or [tuple(value.shape) for value in values] != shapes:
            raise ValueError(
                f"ckpt_path: the average of the weights: expected {len(shapes)} tensors of the "
                "model's own shapes, got others; take a checkpoint that this run wrote itself"
            )
        check_finite_weights(dict(enumerate(values)), "ckpt_path: the average of the weights")
        shadows = [
            part_like(own, value) for own, value in zip(average.shadow_params, values, strict=True)
        ]
        average.load_state_dict({**saved, "shadow_params": shadows})


def _checked(pl_module: L.LightningModule) -> Averaged:
    if not isinstance(pl_module, Averaged):
        raise TypeError(
            "EMACallback needs a module with trainable_parameters(), as of a DiffMVRModule, got "
            f"{type(pl_module).__name__}"
        )
    return pl_module
