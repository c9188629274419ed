"""The LightningModule: one training step of DiffMVR (paper 3.2 and 3.3).

B clips, T frames, N = B·T frames folded at the door of the U-Net and unfolded right after it.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.losses.decoded import DecodedLoss
from diffmvr.losses.denoising import DenoisingLoss
from diffmvr.losses.estimates import predict_clean, training_target
from diffmvr.losses.motion import MotionConsistencyLoss
from diffmvr.models.components import Components
from diffmvr.models.conditioning import Conditions
from diffmvr.models.denoiser import predict
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.vae import decode_latents
from diffmvr.structures import ClipBatch
from diffmvr.training.encoding import ClipEncoder, EncodedBatch

VALIDATION_SEED = 20241


class DiffMVRModule(L.LightningModule):
    """Trains the projectors and the U-Net; the autoencoder and the towers stay frozen.

    Noise and timesteps come from a generator seeded by (seed, global step, rank), so that a resumed
    run goes on exactly as an uninterrupted one.

    Args:
        components: the model, from ``load_components``.
        denoising: Eq. 1.
        motion: Eq. 3 with its λ.
        optimizer: builds the optimizer from the trainable parameters.
        lr_scheduler: builds the learning-rate schedule, stepped once a training step.
        decoded: our loss on the decoded estimate; ``None`` leaves it out, as the paper does.
        seed: seed of noise and timesteps.
        first_step_share: share of clips that train at the noisiest timestep, from which sampling
            starts; the rest draw theirs uniformly.  Few-step sampling rests on that step.
        guide_latent_dropout: share of clips whose guide latents (and the reference made of them)
            are zeroed in training, so that one base serves both pathways.
        cache_encodings: keep the frozen parts' outputs in memory after the first epoch; right only
            while the data of a window never changes (it does not here).
    """

    def __init__(
        self,
        components: Components,
        denoising: DenoisingLoss,
        motion: MotionConsistencyLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        lr_scheduler: Callable[[Optimizer], torch.optim.lr_scheduler.LRScheduler],
        decoded: DecodedLoss | None = None,
        seed: int = 0,
        first_step_share: float = 0.0,
        guide_latent_dropout: float = 0.0,
        cache_encodings: bool = True,
    ) -> None:
        super().__init__()
        self.unet = components.unet
        self.projector = components.projector
        self.scheduler = components.scheduler
        self.guide = components.guide
        # Not registered: frozen parts stay out of checkpoints and of the optimizer.
        self.encoder = ClipEncoder(components, cache=cache_encodings)
        self.denoising = denoising
        self.motion = motion
        self.decoded = decoded or DecodedLoss()
        self.first_step_share = first_step_share
        self.guide_latent_dropout = guide_latent_dropout
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler
        self._seed = seed

    @property
    def components(self) -> Components:
        """The whole model, frozen parts included."""
        return self.encoder.components

    @property
    def _log_interval(self) -> int:
        interval: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return interval

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the U-Net and the projectors."""
        return [p for part in (self.unet, self.projector) for p in part.parameters()]

    def on_fit_start(self) -> None:
        """Move the frozen parts to the trainer's device."""
        self.encoder.to(self.device)

    def training_step(self, batch: ClipBatch | EncodedBatch, batch_idx: int) -> Tensor:
        """Return L = L_diff + λ · L_motion (Eq. 2), and our decoded loss if it has a weight."""
        generator = self._generator(self.global_step, self.global_rank)
        losses = self.losses(batch, generator)
        total = losses["denoising"] + self.motion.weight * losses["motion"]
        share = self.motion.weight * losses["motion"] / total
        if "decoded" in losses:
            total = total + self.decoded.weight * losses["decoded"]
            self.log("train/loss_decoded", losses["decoded"])
        self.log("train/loss", total, prog_bar=True)
        self.log("train/loss_denoising", losses["denoising"])
        self.log("train/loss_motion", losses["motion"])
        # Of Eq. 2.
        self.log("train/motion_share", share)
        return total

    def validation_step(self, batch: ClipBatch | EncodedBatch, batch_idx: int) -> None:
        """Log both losses on whole clips, with the same noise at every validation."""
        generator = self._generator(VALIDATION_SEED + batch_idx, 0)
        encoded = self._encoded(batch)
        losses = self.losses(encoded, generator)
        size = encoded.clips
        self.log("val/loss_denoising", losses["denoising"], batch_size=size, sync_dist=True)
        self.log("val/loss_motion", losses["motion"], batch_size=size, sync_dist=True)

    def losses(
        self, batch: ClipBatch | EncodedBatch, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return ``denoising`` (Eq. 1), ``motion`` (Eq. 3, without λ) and maybe ``decoded``."""
        encoded = self._encoded(batch)
        clips, frames, conditions = encoded.clips, encoded.frames, encoded.conditions
        latents = encoded.latents.float()
        if self.training and self.guide_latent_dropout > 0:
            conditions = self._drop_guide_latents(conditions, clips, generator)

        # One timestep per clip, so that the motion loss compares frames at one noise level.
        steps = self.scheduler.config.num_train_timesteps
        timesteps = torch.randint(0, steps, (clips,), generator=generator)
        if self.training and self.first_step_share > 0:
            first = torch.rand(clips, generator=generator) < self.first_step_share
            timesteps = torch.where(first, steps - 1, timesteps)
        timesteps = timesteps.repeat_interleave(frames).to(latents.device)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)

        tokens = self.projector(conditions.image_embeds, conditions.guide_valid, generator)
        # Under mixed precision the network runs in half, the losses in float32.
        output = predict(self.unet, self.scheduler, noisy, timesteps, conditions, tokens).float()
        target = training_target(self.scheduler, latents, noise, timesteps)
        losses = {
            "denoising": self.denoising(output, target, conditions.mask, self.scheduler, timesteps),
            "motion": self.motion(output, noisy, latents, self.scheduler, timesteps, frames),
        }
        if self.decoded.weight > 0:
            estimate = predict_clean(self.scheduler, output, noisy, timesteps)
            decode = partial(decode_latents, self.components.vae)
            losses["decoded"] = self.decoded(estimate, latents, conditions.mask, decode)
        return losses

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the gradient norm and α per layer, at the steps that the loggers write."""
        if (self.global_step + 1) % self._log_interval:
            return
        norms = [p.grad.norm() for p in self.trainable_parameters() if p.grad is not None]
        self.log("train/gradient_norm", torch.stack(norms).norm())
        for name, processor in guide_processors(self.unet):
            if processor.mean_weights is not None:
                for kind, alpha in zip(processor.kinds, processor.mean_weights, strict=True):
                    self.log(f"alpha/{name}/{kind}", alpha)

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its per-step schedule."""
        optimizer = self._optimizer(self.trainable_parameters())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._lr_scheduler(optimizer), "interval": "step"},
        }

    def _encoded(self, batch: ClipBatch | EncodedBatch) -> EncodedBatch:
        """Run the frozen parts, unless a cache has kept what they gave."""
        return batch if isinstance(batch, EncodedBatch) else self.encoder(batch)

    def _drop_guide_latents(
        self, conditions: Conditions, clips: int, generator: torch.Generator
    ) -> Conditions:
        keep = torch.rand(clips, generator=generator) >= self.guide_latent_dropout
        keep = keep.repeat_interleave(len(conditions) // clips).to(conditions.mask.device)
        return replace(
            conditions,
            guide_latents=conditions.guide_latents * keep[:, None, None, None, None],
            reference_latents=conditions.reference_latents * keep[:, None, None, None],
        )

    def _generator(self, step: int, rank: int) -> torch.Generator:
        mixed = (self._seed * 1_000_003 + step) * 1_009 + rank
        return torch.Generator().manual_seed(mixed % 2**63)
