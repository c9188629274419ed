"""The LightningModule: one training step of DiffMVR (paper 3.2 and 3.3).

B clips, T frames, N = B·T frames folded at the door of the U-Net and unfolded right after it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.losses.decoded import DecodedLoss
from diffmvr.losses.denoising import DenoisingLoss
from diffmvr.losses.motion import MotionConsistencyLoss
from diffmvr.losses.prediction import Prediction, check_terms
from diffmvr.models.components import Components
from diffmvr.models.denoiser import predict
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.vae import decode_latents
from diffmvr.seeds import step_seed
from diffmvr.structures import ClipBatch
from diffmvr.training.checkpoint_loading import load_module
from diffmvr.training.draws import Augmentation, SharedDraws
from diffmvr.training.encoding import ClipEncoder, EncodedBatch
from diffmvr.training.guide_dropout import GuideDropout
from diffmvr.training.sharding import fill, gathered, hollow, shard

VALIDATION_SEED = 20241
NO_PICTURES = (
    "augmentation: expected pictures to change, got what the frozen parts made of them; leave out "
    "encodings=, or take augmentation=none"
)


class DiffMVRModule(L.LightningModule):
    """Trains the projectors and the U-Net; the autoencoder and the towers stay frozen.

    Noise and timesteps come from a generator seeded by (seed, global step), so that a resumed run
    goes on exactly as an uninterrupted one, and every process takes its part of one step's noise.

    Args:
        components: the model, from ``load_components``.
        denoising: Eq. 1.
        motion: Eq. 3 with its λ.
        optimizer: builds the optimizer from the trainable parameters.
        lr_scheduler: builds the learning-rate schedule, stepped once a training step.
        decoded: our loss on the decoded estimate; ``None`` leaves it out, as the paper does.
        extra_losses: more terms of the loss by name (``loss.extra``): modules with a ``weight``
            that are called with a ``losses.prediction.Prediction`` and return a scalar.
        seed: seed of noise and timesteps.
        first_step_share: share of clips that train at the noisiest timestep, from which sampling
            starts; the rest draw theirs uniformly.  Few-step sampling rests on that step.
        guide_latent_dropout: share of clips whose guides are left out in training, all at once or
            by kind; see ``GuideDropout``.
        cache_encodings: keep the frozen parts' outputs in memory after the first epoch; right only
            while the data of a window never changes (it does not here).
        channels_last: keep the U-Net's images channel by channel within a pixel, as the tensor
            cores of a GPU want them.
        augmentation: changes the batches of training at random; the frozen parts then run at every
            step.  ``None`` trains on the clips as they are.
        compile_backend: of ``torch.compile``, for the U-Net in training: ``inductor``; ``None``
            does not compile.  Neither this nor ``channels_last`` is for ``trainer=fsdp``.
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
        guide_latent_dropout: float | Mapping[str, float] = 0.0,
        cache_encodings: bool = True,
        channels_last: bool = False,
        compile_backend: str | None = None,
        augmentation: Augmentation | None = None,
        extra_losses: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.unet = components.unet
        if channels_last:
            self.unet.to(memory_format=torch.channels_last)
        self._channels_last = channels_last
        self._compile_backend = compile_backend
        # What is shared out over processes, without weights: the way back to a whole model.
        self._hollow: Components | None = None
        self.projector = components.projector
        self.scheduler = components.scheduler
        self.guide = components.guide
        # Not registered: frozen parts stay out of checkpoints and of the optimizer.
        self.encoder = ClipEncoder(components, cache=cache_encodings)
        self.denoising = denoising
        self.motion = motion
        self.decoded = decoded or DecodedLoss()
        self.extra_losses = nn.ModuleDict(check_terms(extra_losses or {}))
        self.first_step_share = first_step_share
        self.guide_dropout = GuideDropout(guide_latent_dropout, components.guide.kinds)
        self.augmentation = augmentation
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler
        self._seed = seed

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        hparams_file: str | Path | None = None,
        average: bool = True,
        trusted: bool = False,
    ) -> "DiffMVRModule":
        """Build the module that a run has trained, on the CPU and in evaluation mode.

        Args:
            checkpoint_path: e.g. ``outputs/train/…/checkpoints/last.ckpt``.
            hparams_file: the run's settings; ``None``: ``.hydra/config.yaml`` in its folder.
            average: take the moving average of the weights, the model that a run saves and scores.
            trusted: whether the settings may name classes of other packages, which are then run.

        Raises:
            FileNotFoundError: if checkpoint or settings are absent.
            ValueError: see :func:`diffmvr.training.checkpoint_loading.load_module`.
        """
        return load_module(checkpoint_path, hparams_file, average, trusted)

    @property
    def components(self) -> Components:
        """The whole model, frozen parts included."""
        return self.encoder.components

    @property
    def is_shared_out(self) -> bool:
        """Whether each process holds its part of what is trained, not all of it."""
        return self._hollow is not None

    @property
    def _log_interval(self) -> int:
        interval: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return interval

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the U-Net and the projectors."""
        return [p for part in (self.unet, self.projector) for p in part.parameters()]

    def whole_components(self) -> Components:
        """Return the whole model with all its weights, to sample from or to save.

        Where what is trained is shared out, every process has to call this, and the first one alone
        gets weights: on the CPU, in evaluation mode.
        """
        shell = self._hollow
        if shell is None:
            return self.components
        unet, projector = fill(shell.unet, self.unet), fill(shell.projector, self.projector)
        return replace(shell, unet=unet, projector=projector)

    def configure_model(self) -> None:
        """Share out what is trained over the processes, if the strategy is to (``trainer=fsdp``).

        Raises:
            ValueError: if a setting is not for weights that are shared out.
        """
        if self.device_mesh is None or self._hollow is not None:
            return
        asked = {"channels_last": self._channels_last, "compile_backend": self._compile_backend}
        for name, value in asked.items():
            if value:
                raise ValueError(
                    f"model.{name}: got {value}, and weights that are shared out over processes "
                    "allow no other than the default; leave it out, or use trainer=ddp"
                )
        unet, projector = hollow(self.unet), hollow(self.projector)
        self._hollow = replace(self.components, unet=unet, projector=projector)
        shard(self.unet, self.projector, self.device_mesh["data_parallel"])

    def on_fit_start(self) -> None:
        """Move the frozen parts to the trainer's device, and compile the U-Net if asked to."""
        self.encoder.to(self.device)
        if self._compile_backend is not None:
            # In place: the names in checkpoints stay what they are.
            self.unet.compile(backend=self._compile_backend)

    def on_fit_end(self) -> None:
        """Put the model together again, in the first process: there it is saved and scored."""
        if self._hollow is not None:
            self.encoder.components = self.whole_components()
            self.unet, self.projector = self.components.unet, self.components.projector
            self._hollow = None

    def training_step(self, batch: ClipBatch | EncodedBatch, batch_idx: int) -> Tensor:
        """Return the loss; see ``total_loss``."""
        draws = SharedDraws.of_trainer(self._generator(self.global_step), self.trainer, batch_idx)
        losses = self.losses(self._augmented(batch, draws), draws)
        total = self.total_loss(losses)
        self.log("train/loss", total, prog_bar=True)
        for name, value in losses.items():
            self.log(f"train/loss_{name}", value)
        motion = self.motion.weight * losses["motion"]
        # Of Eq. 2.
        self.log("train/motion_share", motion / (losses["denoising"] + motion))
        return total

    def total_loss(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return L = L_diff + λ · L_motion (Eq. 2), and what else has a weight."""
        total = losses["denoising"] + self.motion.weight * losses["motion"]
        if "decoded" in losses:
            total = total + self.decoded.weight * losses["decoded"]
        for name, term in self.extra_losses.items():
            weight: Any = term.weight
            total = total + weight * losses[name]
        return total

    def validation_step(self, batch: ClipBatch | EncodedBatch, batch_idx: int) -> None:
        """Log the losses on whole clips, with the same noise at every validation."""
        draws = SharedDraws(self._generator(VALIDATION_SEED + batch_idx))
        encoded = self._encoded(batch)
        losses = self.losses(encoded, draws)
        size = encoded.clips
        for name in ("denoising", "motion", *self.extra_losses):
            self.log(f"val/loss_{name}", losses[name], batch_size=size, sync_dist=True)

    def losses(
        self, batch: ClipBatch | EncodedBatch, draws: SharedDraws | torch.Generator
    ) -> dict[str, Tensor]:
        """Return ``denoising`` (Eq. 1), ``motion`` (Eq. 3, without λ), maybe ``decoded``, and more.

        Args:
            batch: whole windows.
            draws: of the batch; a generator stands for a batch that is the whole step.
        """
        if isinstance(draws, torch.Generator):
            draws = SharedDraws(draws)
        encoded = self._encoded(batch)
        clips, frames, conditions = encoded.clips, encoded.frames, encoded.conditions
        latents = encoded.latents.float()
        if self.training:
            conditions = self.guide_dropout(conditions, clips, draws)

        # One timestep per clip, so that the motion loss compares frames at one noise level.
        steps = self.scheduler.config.num_train_timesteps
        timesteps = draws.integers(steps, clips)
        if self.training and self.first_step_share > 0:
            first = draws.uniform(clips) < self.first_step_share
            timesteps = torch.where(first, steps - 1, timesteps)
        timesteps = timesteps.repeat_interleave(frames).to(latents.device)
        noise = draws.normal(latents.shape).to(latents)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)

        tokens = self.projector(conditions.image_embeds, conditions.guide_valid, draws.uniform)
        # Under mixed precision the network runs in half, the losses in float32.
        output = predict(self.unet, self.scheduler, noisy, timesteps, conditions, tokens).float()
        decode = partial(decode_latents, self.components.vae)
        said = Prediction(
            *(output, noisy, latents, noise, timesteps, conditions.mask, frames),
            *(self.scheduler, decode, encoded.expressive),
        )
        of_schedule = self.scheduler, timesteps
        where = conditions.mask, *of_schedule, encoded.expressive
        losses = {
            "denoising": self.denoising(output, said.target, *where),
            "motion": self.motion(output, noisy, latents, *of_schedule, frames),
        }
        if self.decoded.weight > 0:
            losses["decoded"] = self.decoded(
                *(said.clean, latents, conditions.mask, decode, encoded.expressive)
            )
        for name, term in self.extra_losses.items():
            losses[name] = term(said)
        return losses

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the gradient norm and α per layer, at the steps that the loggers write."""
        if (self.global_step + 1) % self._log_interval:
            return
        norms = [p.grad.norm() for p in self.trainable_parameters() if p.grad is not None]
        self.log("train/gradient_norm", gathered(torch.stack(norms).norm()))
        for name, processor in guide_processors(self.unet):
            if processor.mean_weights is not None:
                for kind, alpha in zip(processor.kinds, processor.mean_weights, strict=True):
                    self.log(f"alpha/{name}/{kind}", alpha)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip, also with a fused optimizer in bf16.

        Lightning refuses every fused optimizer under mixed precision, because in fp16 it undoes the
        scaling of the loss by itself; in bf16 nothing is scaled.
        """
        precision = self.trainer.precision_plugin
        unscaled = isinstance(precision, MixedPrecision) and precision.scaler is None
        by_norm = gradient_clip_algorithm in (None, GradClipAlgorithmType.NORM)
        if gradient_clip_val and unscaled and by_norm:
            precision.clip_grad_by_norm(optimizer, gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

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

    def _augmented(
        self, batch: ClipBatch | EncodedBatch, draws: SharedDraws
    ) -> ClipBatch | EncodedBatch:
        if self.augmentation is None:
            return batch
        if isinstance(batch, EncodedBatch):
            raise ValueError(NO_PICTURES)
        return self.encoder(self.augmentation(batch, draws), remember=False)

    def _generator(self, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(step_seed(self._seed, step))
