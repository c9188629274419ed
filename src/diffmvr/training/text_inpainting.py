"""Tuned-stabilityai and Tuned-runwayml (paper 4.2): fine-tuning of a text-guided inpainter.

Legend: N frames of a batch, H × W pixels, c × h × w latents.

Only the U-Net is trained; the text encoder and the autoencoder stay as they are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from diffmvr.baselines.resizing import resize_images, resize_masks, working_size
from diffmvr.checks import check_number, check_one_of
from diffmvr.data.loader import ClipLoader, EpochSeededSampler
from diffmvr.data.still_frames import StillFrames
from diffmvr.losses.denoising import denoising_loss
from diffmvr.losses.estimates import training_target
from diffmvr.models.vae import encode_latents
from diffmvr.progress import tracked
from diffmvr.seeds import number_seed, step_seed
from diffmvr.structures import UInt8Array, check_finite_frames, to_pixel_values
from diffmvr.training.draws import SharedDraws


@dataclass(frozen=True)
class Prior:
    """What DreamBooth keeps the network from forgetting (its prior preservation).

    Attributes:
        images: ``[M, H, W, 3]`` uint8, what the base itself paints for ``prompt``.
        prompt: names the class, without the rare word.
        weight: of its loss beside that of the instance images.
    """

    images: UInt8Array
    prompt: str
    weight: float = 1.0


class TextInpaintingModule(L.LightningModule):
    """Trains the U-Net of a Stable Diffusion inpainter to fill random holes under a prompt.

    The loss is the mean squared error of the predicted noise (or v), over the whole frame.  With a
    prior it is DreamBooth's (Ruiz et al. 2023, Equation 2): a batch of class images as large is
    drawn at every step, and its loss is added.  All that is random follows from (seed, step), and
    the order from (seed, epoch): a run that was stopped anywhere goes on exactly as an
    uninterrupted one, and several processes or accumulated batches train as one large batch does.

    Args:
        pipeline: a diffusers inpainting pipeline; its U-Net is trained in place.
        frames: what is learnt, and the holes.
        prompt: under which the frames are shown.
        optimizer: builds the optimizer from the U-Net's parameters.
        batch_size: frames of a batch on one rank.
        resolution: short side of the frames in training, in pixels.
        prior: class images; ``None`` is plain fine-tuning.
        seed: seed of order, holes, noise and timesteps.
        gradient_checkpointing: spend time to save memory.

    Raises:
        ValueError: if the U-Net takes other inputs than Stable Diffusion's, or a setting is out of
            range.
    """

    def __init__(
        self,
        pipeline: Any,
        frames: StillFrames,
        prompt: str,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        batch_size: int = 1,
        resolution: int = 512,
        prior: Prior | None = None,
        seed: int = 0,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        channels = pipeline.vae.config.latent_channels
        check_one_of(
            "unet.in_channels", pipeline.unet.config.in_channels, (channels, 2 * channels + 1)
        )
        check_number("batch_size", batch_size, 1, len(frames.images))
        self.pipeline = pipeline
        self.unet = pipeline.unet.train().requires_grad_(True)
        if gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        # A pipeline is no module: its frozen parts stay out of checkpoints and of the optimizer.
        for part in (pipeline.vae, pipeline.text_encoder):
            part.requires_grad_(False).eval()
        self.scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
        self._sees_hole = pipeline.unet.config.in_channels != channels
        self._frames = frames
        self._prior = prior
        self._prompts = [prompt] if prior is None else [prompt, prior.prompt]
        self._optimizer = optimizer
        self._batch_size = batch_size
        _, height, width, _ = frames.images.shape
        self._size = working_size(height, width, resolution, pipeline.vae_scale_factor)
        self._seed = seed
        self._embeddings: list[Tensor] = []

    def train_dataloader(self) -> ClipLoader:
        """Return batches of frames, ``[N, 3, H, W]`` in [-1, 1], shuffled by (seed, epoch)."""
        images: Any = self._frames.images
        sampler = EpochSeededSampler.of_trainer(
            len(images), self._batch_size, self._seed, self.trainer
        )
        return ClipLoader(images, sampler, collate_fn=self._to_pixels)

    @torch.no_grad()
    def on_fit_start(self) -> None:
        """Move the frozen parts to the trainer's device, and read the prompts once."""
        self.pipeline.vae.to(self.device)
        self.pipeline.text_encoder.to(self.device)
        self._embeddings = list(
            self.pipeline.encode_prompt(self._prompts, self.device, 1, False)[0]
        )

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Return the loss of ``[N, 3, H, W]`` frames, and of as many class images."""
        generator = torch.Generator().manual_seed(step_seed(self._seed, self.global_step))
        draws = SharedDraws.of_trainer(generator, self.trainer, batch_idx)
        loss = self._denoising(batch, self._embeddings[0], draws)
        self.log("train/loss_frames", loss)
        if self._prior is not None:
            picks = draws.integers(len(self._prior.images), len(batch))
            images = self._to_pixels(list(self._prior.images[picks.numpy()])).to(batch)
            prior = self._denoising(images, self._embeddings[1], draws)
            self.log("train/loss_prior", prior)
            loss = loss + self._prior.weight * prior
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer; the learning rate is constant."""
        return self._optimizer(self.unet.parameters())

    def _denoising(self, images: Tensor, embedding: Tensor, draws: SharedDraws) -> Tensor:
        """Return the denoising loss of ``[N, 3, H, W]`` frames with random holes."""
        count = len(images)
        picks = draws.integers(len(self._frames.masks), count)
        holes = resize_masks(self._frames.masks[picks.numpy()], self._size)
        mask = torch.from_numpy(holes)[:, None].to(images)
        with torch.no_grad():
            latents = encode_latents(self.pipeline.vae, images).float()
        noise = draws.normal(latents.shape).to(latents)
        steps = self.scheduler.config.num_train_timesteps
        timesteps = draws.integers(steps, count).to(images.device)
        inputs = [self.scheduler.add_noise(latents, noise, timesteps)]
        if self._sees_hole:
            with torch.no_grad():
                seen = encode_latents(self.pipeline.vae, (1.0 - mask) * images).float()
            # The nearest pixel of each cell, as the pipeline reduces masks when it restores.
            inputs += [F.interpolate(mask, size=latents.shape[-2:]), seen]
        embeddings = embedding.expand(count, -1, -1)
        output = self.unet(torch.cat(inputs, dim=1), timesteps, embeddings).sample.float()
        return denoising_loss(output, training_target(self.scheduler, latents, noise, timesteps))

    def _to_pixels(self, images: list[UInt8Array]) -> Tensor:
        return to_pixel_values(resize_images(np.stack(images), self._size))


def paint_prior_images(
    pipeline: Any,
    prompt: str,
    count: int,
    size: tuple[int, int],
    seed: int = 0,
    num_inference_steps: int = 50,
    guidance_scale: float = 7.5,
) -> UInt8Array:
    """Let the base paint the class images of DreamBooth.

    An inpainter whose hole is the whole frame is a text-to-image model.

    Args:
        pipeline: the base, before training.
        prompt: of the class.
        count: number of images, at least 1.
        size: (H, W), multiples of the pipeline's own.
        seed: image i is drawn from (seed, i).
        num_inference_steps: denoising steps.
        guidance_scale: of classifier-free guidance.

    Returns:
        ``[count, H, W, 3]`` uint8.
    """
    check_number("prior.images", count, 1, 100_000)
    pipeline.set_progress_bar_config(disable=True)
    height, width = size
    painted = []
    for number in tracked(range(count), "painting", "images"):
        output = pipeline(
            prompt=prompt,
            image=torch.full((1, 3, height, width), 0.5),
            mask_image=torch.ones(1, 1, height, width),
            height=height,
            width=width,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            generator=torch.Generator().manual_seed(number_seed(seed, number)),
            output_type="np",
        )
        drawn = torch.from_numpy(output.images)
        check_finite_frames(drawn, [number], "prior: the base's images")
        painted.append(np.round(255.0 * np.clip(output.images[0], 0.0, 1.0)).astype(np.uint8))
    return np.stack(painted)
