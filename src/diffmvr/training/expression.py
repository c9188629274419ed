"""Training of the network that reads faces, on clean rendered frames."""

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.data.expression_frames import ExpressionFrame
from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.training.autoencoder import cosine_with_warmup


class ExpressionModule(L.LightningModule):
    """Fits expression and state of single frames.

    The loss is the mean squared error of the expressions, each as a share of its range, times
    ``expression_weight``, plus the cross-entropy of the states.  The straightened face is moved,
    turned and zoomed a little in each step: no face is ever cut out exactly the same way twice.

    Args:
        network: the network.
        optimizer: builds the optimizer from the trainable parameters.
        max_steps: steps of the cosine learning-rate schedule.
        warmup_steps: linear warm-up.
        expression_weight: weight of the squared error.
        jitter: standard deviation of shift, turn and zoom, in canonical face units and radians.
    """

    def __init__(
        self,
        network: ExpressionNetwork,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        max_steps: int,
        warmup_steps: int = 50,
        expression_weight: float = 20.0,
        jitter: float = 0.04,
    ) -> None:
        super().__init__()
        self.network = network.train().requires_grad_(True)
        self._optimizer = optimizer
        self._max_steps = max_steps
        self._warmup_steps = warmup_steps
        self._expression_weight = expression_weight
        self._jitter = jitter

    def training_step(self, batch: ExpressionFrame, batch_idx: int) -> Tensor:
        """Return the loss of a batch of frames."""
        similarity = jittered(batch.similarity, self._jitter)
        reading = self.network(batch.pixel_values, similarity)
        span = self.network.high - self.network.low
        squared = ((reading.expression - batch.expression) / span).square().mean()
        cross_entropy = F.cross_entropy(reading.state_logits, batch.state)
        right = (reading.state_logits.argmax(dim=1) == batch.state).float().mean()
        self.log("train/expression_rmse", squared.detach().sqrt(), prog_bar=True)
        self.log("train/state_accuracy", right, prog_bar=True)
        loss: Tensor = self._expression_weight * squared + cross_entropy
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimizer with warm-up and cosine decay."""
        optimizer = self._optimizer(self.network.parameters())
        schedule = cosine_with_warmup(optimizer, self._warmup_steps, self._max_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def jittered(similarity: Tensor, scale: float) -> Tensor:
    """Move, turn and zoom faces at random in their own coordinates.

    Args:
        similarity: ``[N, 2, 3]``, canonical face coordinates → pixels.
        scale: standard deviation of each shift, of the turn in radians and of the log zoom.
    """
    shift_x, shift_y, turn, zoom = scale * torch.randn(4, len(similarity)).to(similarity)
    cos, sin = zoom.exp() * turn.cos(), zoom.exp() * turn.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [cos, -sin, shift_x, sin, cos, shift_y, zero, zero, one]
    moved = torch.stack(rows, dim=1).view(-1, 3, 3)
    return similarity @ moved
