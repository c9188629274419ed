"""Pretraining of the small autoencoder (the paper takes Stable Diffusion's)."""

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.models.vae import decode_latents, encode_latents


class AutoencoderModule(L.LightningModule):
    """Trains a diffusers autoencoder to reconstruct frames from noisy latents.

    The loss is the mean absolute error plus ``mse_weight`` times the mean squared error.  A little
    latent noise in training makes the decoder forgive small errors of the diffusion model; latents
    are kept near unit scale by normalising the noise with their running standard deviation.

    Args:
        vae: the autoencoder.
        optimizer: builds the optimizer from the trainable parameters.
        max_steps: steps of the cosine learning-rate schedule.
        warmup_steps: linear warm-up.
        latent_noise: standard deviation of the noise, in standard deviations of the latents.
        mse_weight: weight of the squared error.
        train_encoder: False trains the decoder alone; the latent space stays as it is.
    """

    def __init__(
        self,
        vae: Any,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        max_steps: int,
        warmup_steps: int = 100,
        latent_noise: float = 0.05,
        mse_weight: float = 5.0,
        train_encoder: bool = True,
    ) -> None:
        super().__init__()
        self.vae = vae.train().requires_grad_(True)
        self.train_encoder = train_encoder
        if not train_encoder:
            self.vae.encoder.requires_grad_(False)
        self._optimizer = optimizer
        self._max_steps = max_steps
        self._warmup_steps = warmup_steps
        self._latent_noise = latent_noise
        self._mse_weight = mse_weight

    def training_step(self, batch: tuple[Tensor, list[str]], batch_idx: int) -> Tensor:
        """Return the reconstruction loss of ``[N, 3, H, W]`` frames."""
        images, _ = batch
        latents = encode_latents(self.vae, images)
        noise = torch.randn_like(latents) * latents.detach().std() * self._latent_noise
        reconstruction = decode_latents(self.vae, latents + noise)
        mse = F.mse_loss(reconstruction, images)
        loss = F.l1_loss(reconstruction, images) + self._mse_weight * mse
        # Images span 2, so PSNR = 10 log10(4 / mse).
        self.log("train/psnr", 10 * torch.log10(4 / mse.detach()), prog_bar=True)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimizer with warm-up and cosine decay."""
        parameters = [p for p in self.vae.parameters() if p.requires_grad]
        optimizer = self._optimizer(parameters)
        schedule = cosine_with_warmup(optimizer, self._warmup_steps, self._max_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def cosine_with_warmup(
    optimizer: Optimizer, warmup_steps: int, max_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Return a linear warm-up followed by a cosine decay to zero at ``max_steps``."""
    from diffusers.optimization import get_cosine_schedule_with_warmup

    return get_cosine_schedule_with_warmup(optimizer, warmup_steps, max_steps)


@torch.no_grad()
def measure_scaling_factor(vae: Any, images: Tensor) -> float:
    """Return 1 / std of the latents of ``[N, 3, H, W]`` images, so that scaled ones have std 1."""
    vae.register_to_config(scaling_factor=1.0)
    return float(1.0 / encode_latents(vae.eval(), images).std())
