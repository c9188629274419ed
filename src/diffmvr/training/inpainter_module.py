"""Training of the learned rivals: a network that takes frames and masks, and no guides."""

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.losses.hole_l1 import HoleL1Loss
from diffmvr.metrics.hole_scores import HoleScores
from diffmvr.seeds import step_seed
from diffmvr.structures import ClipBatch
from diffmvr.training.draws import Augmentation, SharedDraws


class InpainterModule(L.LightningModule):
    """Trains all of a network to draw the frames behind the masks.

    Nothing is drawn at random but the order of the clips, which the loader derives from the seed,
    and what an augmentation draws.
    The networks' batch normalisation keeps statistics of the raw weights, not of their average:
    under a schedule that ends at 0 the two have met by then.

    Args:
        network: ``(pixel_values, mask) -> drawn frames``.
        loss: what it is trained by.
        optimizer: builds the optimizer from the parameters.
        lr_scheduler: builds the learning-rate schedule, stepped once a training step.
        augmentation: changes the batches of training at random; ``None`` takes clips as they are.
        seed: of what the augmentation draws.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: HoleL1Loss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        lr_scheduler: Callable[[Optimizer], torch.optim.lr_scheduler.LRScheduler],
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network.train()
        self.loss = loss
        self.hole_scores = HoleScores()
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler
        self.augmentation = augmentation
        self._seed = seed

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the network's parameters."""
        return list(self.network.parameters())

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the loss's terms."""
        if self.augmentation is not None:
            generator = torch.Generator().manual_seed(step_seed(self._seed, self.global_step))
            draws = SharedDraws.of_trainer(generator, self.trainer, batch_idx)
            batch = self.augmentation(batch, draws)
        losses = self.loss(self._draw(batch), batch.pixel_values, batch.mask)
        self.log("train/loss", losses["total"], prog_bar=True)
        self.log("train/loss_hole", losses["hole"])
        self.log("train/loss_visible", losses["visible"])
        total: Tensor = losses["total"]
        return total

    def validation_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Log the loss, and measure the hidden pixels of each clip."""
        drawn = self._draw(batch)
        losses = self.loss(drawn, batch.pixel_values, batch.mask)
        size = batch.mask.shape[0]
        self.log("val/loss", losses["total"], batch_size=size, sync_dist=True)
        self.hole_scores.update(drawn, batch.pixel_values, batch.mask)

    def on_validation_epoch_end(self) -> None:
        """Log PSNR, SSIM and TC inside the holes, means over the clips of all processes."""
        scores = self.hole_scores.compute()
        named = {f"val/{name}": value.float() for name, value in scores.items()}
        # The same in every process; said so that Lightning does not warn of the opposite.
        self.log_dict(named, sync_dist=True)
        self.hole_scores.reset()

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its per-step schedule."""
        optimizer = self._optimizer(self.trainable_parameters())
        schedule = {"scheduler": self._lr_scheduler(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _draw(self, batch: ClipBatch) -> Tensor:
        drawn: Tensor = self.network(batch.masked_pixel_values, batch.mask)
        return drawn
