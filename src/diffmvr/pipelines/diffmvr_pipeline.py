"""Sampling (paper 3.2, Mod_3 and Mod_4) as a diffusers pipeline.

N frames, G guides, p × p pixels, c × h × w latents.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from torch import Tensor

from diffmvr.checks import check_number, check_range, check_shape
from diffmvr.models.components import Components, load_components
from diffmvr.models.conditioning import Conditions, encode_conditions, fill_with_past
from diffmvr.models.denoiser import predict
from diffmvr.models.dual_guide_attention import remember_keys_values, set_guide_scales
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_memory import GuideMemory
from diffmvr.models.guide_settings import GuideSettings, check_guide_scales
from diffmvr.models.projector import GuideProjector
from diffmvr.models.vae import decode_latents, trained_side


@dataclass
class DiffMVRPipelineOutput(BaseOutput):
    """What the pipeline returns.

    Attributes:
        pixel_values: ``[N, 3, p, p]`` in [-1, 1].
    """

    pixel_values: Tensor


class DiffMVRPipeline(DiffusionPipeline):
    """Fills the hidden part of face crops, led by their guide images.

    Args:
        vae: autoencoder.
        unet: U-Net with fused attention.
        scheduler: any diffusers scheduler with ``step``; swap it as in every pipeline.
        image_encoder: frozen OpenCLIP tower of the first guide.
        projector: one MLP per guide.
        image_encoder_2: tower of the second guide; None lets both guides use the first (frozen
            towers with equal weights give equal tokens).

    Example:
        >>> from diffmvr.config import weights_dir
        >>> pipeline = DiffMVRPipeline.from_pretrained(weights_dir() / "diffmvr-tiny")
        >>> frames, mask = torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
        >>> mask[..., 20:40, 20:40] = 1
        >>> guides, there = torch.zeros(2, 2, 3, 64, 64), torch.ones(2, 2, dtype=torch.bool)
        >>> restored = pipeline(frames, mask, guides, there).pixel_values
        >>> bool((restored == frames)[mask.expand_as(frames) == 0].all())  # outside the mask
        True
    """

    model_cpu_offload_seq = "image_encoder->image_encoder_2->projector->unet->vae"
    _optional_components = ["image_encoder_2"]  # noqa: RUF012 - the attribute diffusers reads
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012

    def __init__(
        self,
        vae: Any,
        unet: Any,
        scheduler: Any,
        image_encoder: GuideEncoder,
        projector: GuideProjector,
        image_encoder_2: GuideEncoder | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            unet=unet,
            scheduler=scheduler,
            image_encoder=image_encoder,
            projector=projector,
            image_encoder_2=image_encoder_2,
        )
        self.guide = GuideSettings(**unet.config.guide)

    @classmethod
    def from_components(cls, components: Components) -> "DiffMVRPipeline":
        """Wrap a model that is already in memory."""
        first, *rest = components.image_encoders
        second = rest[0] if rest and rest[0] is not first else None
        return cls(
            components.vae,
            components.unet,
            components.scheduler,
            first,
            components.projector,
            second,
        )

    @classmethod
    def from_pretrained(
        cls,
        base: str | Path,
        guide: GuideSettings | None = None,
        image_encoder: tuple[str, str | None] | str | Path | None = None,
        configs: str | Path | None = None,
        vae: str | Path | None = None,
    ) -> "DiffMVRPipeline":
        """Load a folder, one file or a hub id; see ``diffmvr.models.components.load_components``.

        (The inherited loader would silently drop the attention processors' weights.)
        """
        components = load_components(base, guide, image_encoder, configs=configs, vae=vae)
        pipeline = cls.from_components(components)
        # In training mode the projectors would leave out guides at random.
        for part in (pipeline.unet, pipeline.projector):
            part.eval()
        return pipeline

    @property
    def resolution(self) -> int:
        """Side p of the square crops the U-Net was trained on, in pixels."""
        return trained_side(self.unet.config, self.vae.config)

    @property
    def guide_kinds(self) -> tuple[str, ...]:
        """Names of the guides in the order in which they are given."""
        return self.guide.kinds

    @property
    def _components(self) -> Components:
        second = self.image_encoder_2 or self.image_encoder
        encoders = (self.image_encoder, *[second] * (len(self.guide.kinds) - 1))
        return Components(self.vae, self.unet, self.scheduler, encoders, self.projector, self.guide)

    @torch.no_grad()
    def __call__(
        self,
        pixel_values: Tensor,
        mask: Tensor,
        guide_pixel_values: Tensor,
        guide_valid: Tensor,
        num_inference_steps: int = 1,
        guide_scales: Sequence[float] | None = None,
        generator: torch.Generator | None = None,
        latents: Tensor | None = None,
        composite: bool = True,
        guide_memory: GuideMemory | None = None,
        callback_on_step_end: Callable[[Any, int, int, dict[str, Tensor]], dict[str, Tensor]]
        | None = None,
    ) -> DiffMVRPipelineOutput:
        """Restore frames.

        Args:
            pixel_values: ``[N, 3, p, p]`` in [-1, 1], as observed; hidden pixels are not looked at.
            mask: ``[N, 1, p, p]`` 0/1, 1 = restore.
            guide_pixel_values: ``[N, G, 3, p, p]`` in [-1, 1].
            guide_valid: ``[N, G]`` bool.
            num_inference_steps: denoising steps.
            guide_scales: α₁, α₂, … for this call instead of the model's own.
            generator: source of the noise.  One noise image serves all frames, so that the result
                for a frame depends neither on the others nor on how a clip was cut into calls
                (with a sampler that adds no noise of its own).
            latents: ``[1, c, h, w]`` initial noise, instead of drawing it.
            composite: put the observed pixels back outside the mask.
            guide_memory: given to every call that restores a part of one recording, it spares
                encoding a guide again that frames of several calls share.
            callback_on_step_end: as in diffusers: ``(pipeline, step, timestep, {"latents": …})``,
                returns the (changed) dictionary.

        Returns:
            ``[N, 3, p, p]`` in [-1, 1]; outside the mask equal to ``pixel_values`` bit for bit when
            ``composite`` is set.

        Raises:
            ValueError: if an argument's shape or value does not fit.
        """
        # 1. Check inputs.
        check_shape("pixel_values", pixel_values, (None, 3, None, None))
        check_shape("mask", mask, (len(pixel_values), 1, *pixel_values.shape[2:]))
        check_range("mask", mask, 0.0, 1.0)
        check_number("num_inference_steps", num_inference_steps, 1, 1000)
        if guide_scales is not None:
            guide_scales = check_guide_scales(guide_scales, self.guide_kinds)
        device, dtype = self._execution_device, self.unet.dtype
        pixel_values, mask = pixel_values.to(device), mask.to(device, dtype)

        # 2. Encode the masked frames and the guides.
        guides, valid = guide_pixel_values.to(device, dtype), guide_valid.to(device)
        masked = torch.where(mask > 0.5, 0.0, pixel_values.to(dtype))
        conditions = encode_conditions(self._components, masked, mask, guides, valid, guide_memory)

        # 3. Denoise.
        set_guide_scales(self.unet, guide_scales)
        try:
            denoised = self._denoise(
                conditions, num_inference_steps, generator, latents, callback_on_step_end
            )
        finally:
            set_guide_scales(self.unet, None)

        # 4. Decode, and keep what was never hidden.
        restored = decode_latents(self.vae, denoised)
        if self.guide.uses_residual:
            # Of what the past guide shows, only the correction has to pass the autoencoder.
            filled = fill_with_past(self.guide, masked, mask, guides, valid)
            correction = restored - decode_latents(self.vae, conditions.reference_latents)
            shown = valid[:, self.guide_kinds.index("past"), None, None, None]
            restored = torch.where(shown, filled + correction, restored)
        # What was given is given back as it was, whatever precision the model computes in.
        restored = restored.clamp(-1, 1).to(pixel_values.dtype)
        if composite:
            restored = torch.where(mask > 0.5, restored, pixel_values)
        return DiffMVRPipelineOutput(pixel_values=restored)

    def _denoise(
        self,
        conditions: Conditions,
        steps: int,
        generator: torch.Generator | None,
        latents: Tensor | None,
        callback: Callable[[Any, int, int, dict[str, Tensor]], dict[str, Tensor]] | None,
    ) -> Tensor:
        device = conditions.mask.device
        self.scheduler.set_timesteps(steps, device=device)
        shape = (1, *conditions.masked_latents.shape[1:])
        if latents is None:
            where = generator.device if generator is not None else device
            latents = torch.randn(shape, generator=generator, device=where)
        check_shape("latents", latents, shape)
        current = latents.to(conditions.masked_latents) * self.scheduler.init_noise_sigma
        current = current.expand(len(conditions), -1, -1, -1)
        tokens = self.projector(conditions.image_embeds, conditions.guide_valid)
        # Samplers that add noise at every step draw it from the same generator.
        takes_generator = "generator" in inspect.signature(self.scheduler.step).parameters
        extra = {"generator": generator} if takes_generator else {}

        with self.progress_bar(total=steps) as progress, remember_keys_values(self.unet):
            for index, timestep in enumerate(self.scheduler.timesteps):
                scaled = self.scheduler.scale_model_input(current, timestep)
                output = predict(self.unet, self.scheduler, scaled, timestep, conditions, tokens)
                current = self.scheduler.step(output, timestep, current, **extra).prev_sample
                if callback is not None:
                    changed = callback(self, index, int(timestep), {"latents": current})
                    current = changed.pop("latents", current)
                progress.update()
        return current
