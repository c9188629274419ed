"""Training stops at the first loss or gradient that is not finite, before the weights change."""

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from diffmvr.structures import ClipBatch
from diffmvr.training.encoding import EncodedBatch, name_frames
from diffmvr.training.sharding import gathered, local_part

SHOWN_NAMES = 3


class NonFiniteError(FloatingPointError):
    """A loss or a gradient is infinite or no number."""


class FiniteGuard(L.Callback):
    """Raises at a loss or gradient that is not finite, and says when and at which clips.

    One comparison a step; ``trainer.detect_anomaly`` finds the operation, many times slower.  With
    a gradient scaler (``precision=16-mixed``) infinite gradients are a matter of course, which the
    scaler deals with, and only losses are watched.
    """

    def __init__(self) -> None:
        self._batch: Any = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch."""
        self._batch = batch

    def on_before_backward(
        self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor
    ) -> None:
        """Check the loss.

        Raises:
            NonFiniteError: if it is not finite.
        """
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteError(f"the loss is {value} {self._circumstances(trainer)}")

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        """Check the gradients.

        Raises:
            NonFiniteError: if one is not finite.
        """
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            return
        gradients = {n: p.grad for n, p in pl_module.named_parameters() if p.grad is not None}
        # A norm is finite only if everything is; of the largest value none overflows.
        parts = [p for gradient in gradients.values() if (p := local_part(gradient)).numel()]
        finite = math.isfinite(torch.nn.utils.get_total_norm(parts, norm_type=math.inf).item())
        if any(isinstance(gradient, DTensor) for gradient in gradients.values()):
            finite = trainer.strategy.reduce_boolean_decision(finite)
        if finite:
            return
        broken = [n for n, one in gradients.items() if not torch.isfinite(gathered(one)).all()]
        more = f" and {len(broken) - SHOWN_NAMES} more" if len(broken) > SHOWN_NAMES else ""
        raise NonFiniteError(
            f"the gradient of {', '.join(broken[:SHOWN_NAMES])}{more} is not finite "
            f"{self._circumstances(trainer)}"
        )

    def on_train_batch_end(self, trainer: L.Trainer, *_args: Any, **_kwargs: Any) -> None:
        """Let the batch go."""
        self._batch = None

    def _circumstances(self, trainer: L.Trainer) -> str:
        rates = [group["lr"] for entry in trainer.optimizers for group in entry.param_groups]
        terms = {
            name: f"{value.item():.4g}"
            for name, value in trainer.callback_metrics.items()
            if name.startswith("train/loss")
        }
        said = ", ".join(f"{name} {value}" for name, value in sorted(terms.items()))
        return (
            f"at step {trainer.global_step} (process {trainer.global_rank}, learning rate "
            f"{', '.join(f'{rate:.3g}' for rate in rates)}; {said or 'no terms logged'}); batch: "
            f"{describe_batch(self._batch)}; the weights are still those before this step: try a "
            "smaller learning rate or trainer.gradient_clip_val, or look at these clips"
        )


def describe_batch(batch: Any) -> str:
    """Return the clips and frames of a batch, e.g. ``s001_c0 frames 8-15``."""
    if isinstance(batch, ClipBatch):
        pairs = zip(batch.clip_id, batch.frame_index.tolist(), strict=True)
        return "; ".join(name_frames(clip, frames) for clip, frames in pairs)
    if isinstance(batch, EncodedBatch) and batch.names:
        return "; ".join(batch.names)
    return f"a {type(batch).__name__}, which keeps no names"
