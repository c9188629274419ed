"""What one would write without diffmvr, and how it compares.

A diffusers inpainting loop with two image prompts, called frame by frame: diffusers' own
``UNet2DConditionModel`` with its ``IPAdapterAttnProcessor2_0``, the same weights, autoencoder,
towers, scheduler, steps and noise.  It is kept as cheap as its kind can be: no classifier-free
guidance, one text token instead of 77, no progress bar, no safety checker.

What diffmvr does otherwise: frames without a hole do not go through the model, frames are batched,
a guide that frames share is encoded once, and the guides' keys and values are computed once a frame
instead of once a step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from torch import Tensor

from diffmvr.models.components import Components
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.structures import Clip, Guides, UInt8Array, to_pixel_values, to_uint8


class PlainInpainting:
    """Inpaints one frame at a time, prompted by its guide images.

    Args:
        components: whose weights are used.  Only what diffusers' own classes can do is taken over:
            fixed fusion, and with the ``latents`` pathway the guides' latents as input channels.
        steps: denoising steps.
        seed: of the noise.
    """

    def __init__(self, components: Components, steps: int, seed: int = 0) -> None:
        self.unet = ip_adapter_unet(components)
        self._parts = components
        self._steps = steps
        self._seed = seed
        width = self.unet.config.cross_attention_dim
        self._text = torch.zeros(1, 1, width, device=self.unet.device)

    def restore(self, clip: Clip, guides: Guides) -> UInt8Array:
        """Return ``[T, H, W, 3]``."""
        return to_uint8(torch.cat(self.restore_frames(clip, guides)))

    def restore_frames(self, clip: Clip, guides: Guides) -> list[Tensor]:
        """Return T frames ``[1, 3, H, W]`` in [-1, 1], not yet rounded."""
        return [
            self(
                to_pixel_values(clip.observed[t : t + 1]),
                torch.from_numpy(clip.mask[t : t + 1, None]).float(),
                to_pixel_values(guides.images[t]),
                torch.from_numpy(guides.valid[t : t + 1]),
            )
            for t in range(len(clip))
        ]

    @torch.no_grad()
    def __call__(
        self, image: Tensor, mask: Tensor, prompts: Tensor, prompts_valid: Tensor
    ) -> Tensor:
        """Inpaint.

        Args:
            image: ``[1, 3, H, W]`` in [-1, 1].
            mask: ``[1, 1, H, W]`` 0/1, 1 = inpaint.
            prompts: ``[G, 3, H, W]``, the image prompts.
            prompts_valid: ``[1, G]`` bool.

        Returns:
            ``[1, 3, H, W]``.
        """
        parts, guide = self._parts, self._parts.guide
        scheduler, device = parts.scheduler, self.unet.device
        image, mask, prompts = image.to(device), mask.to(device), prompts.to(device)
        prompts_valid = prompts_valid.to(device)

        # 1. Encode the image prompts and set their scales.
        embeds = [
            encoder(prompts[g : g + 1], guide.tokens)
            for g, encoder in enumerate(parts.image_encoders)
        ]
        image_prompts = list(parts.projector(embeds, prompts_valid))
        set_ip_adapter_scale(self.unet, guide.scales)

        # 2. Encode the masked image, and what else joins the latents.
        masked = torch.where(mask > 0.5, 0.0, image)
        masked_latents = self._encode(masked)
        small_mask = torch.nn.functional.max_pool2d(
            mask, mask.shape[-1] // masked_latents.shape[-1]
        )
        beside = [small_mask, masked_latents]
        reference, filled = torch.zeros_like(masked_latents), masked
        if guide.uses_latents:
            beside += [
                self._encode(prompts[g : g + 1]) * prompts_valid[0, g]
                for g in range(len(guide.kinds))
            ]
        if guide.uses_residual:
            past = guide.kinds.index("past")
            known = prompts_valid[0, past]
            filled = torch.where((mask > 0.5) & known, prompts[past : past + 1], masked)
            reference = self._encode(filled)

        # 3. Denoise.
        scheduler.set_timesteps(self._steps, device=device)
        generator = torch.Generator().manual_seed(self._seed)
        latents = torch.randn(masked_latents.shape, generator=generator).to(device)
        latents = latents * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep)
            cumulative = scheduler.alphas_cumprod[int(timestep)]
            inputs = torch.cat([scaled - cumulative.sqrt() * reference, *beside], dim=1)
            output = self.unet(
                inputs, timestep, encoder_hidden_states=(self._text, image_prompts)
            ).sample
            if scheduler.config.prediction_type == "v_prediction":
                output = output - (1 - cumulative).sqrt() * reference
            latents = scheduler.step(output, timestep, latents).prev_sample

        # 4. Decode, and paste the observed pixels back.
        restored = self._decode(latents)
        if guide.uses_residual and bool(known):
            restored = filled + restored - self._decode(reference)
        return torch.where(mask > 0.5, restored.clamp(-1, 1), image)

    def _encode(self, image: Tensor) -> Tensor:
        output = self._parts.vae.encode(image)
        latents = output.latent_dist.mode() if hasattr(output, "latent_dist") else output.latent
        return latents * self._parts.vae.config.scaling_factor

    def _decode(self, latents: Tensor) -> Tensor:
        return self._parts.vae.decode(latents / self._parts.vae.config.scaling_factor).sample


def ip_adapter_unet(components: Components) -> Any:
    """Put the weights of a guided U-Net into diffusers' own classes.

    The text's values are zero, so that its attention, which IP-Adapter adds to that of the image
    prompts, adds nothing.

    Raises:
        ValueError: if the guides are not fused with fixed weights, which is all IP-Adapter knows.
    """
    guided, guide = components.unet, components.guide
    if guide.fusion != "fixed":
        raise ValueError(f"guide.fusion: IP-Adapter knows fixed scales only, got {guide.fusion!r}")
    config = {key: value for key, value in guided.config.items() if not key.startswith("_")}
    config.pop("guide")
    unet = UNet2DConditionModel(**config)
    processors = dict(unet.attn_processors)
    tokens = components.projector.config.num_tokens
    for layer, ours in guide_processors(guided):
        width, context = ours.to_k[guide.kinds[0]].weight.shape
        adapter = IPAdapterAttnProcessor2_0(
            width, context, [tokens] * len(guide.kinds), list(guide.scales)
        )
        for g, kind in enumerate(guide.kinds):
            adapter.to_k_ip[g].load_state_dict(ours.to_k[kind].state_dict())
            adapter.to_v_ip[g].load_state_dict(ours.to_v[kind].state_dict())
        processors[f"{layer}.processor"] = adapter
    state = guided.state_dict()
    own = {key: value for key, value in state.items() if ".processor." not in key}
    missing, unexpected = unet.load_state_dict(own, strict=False)
    if unexpected or any(not key.endswith(("to_k.weight", "to_v.weight")) for key in missing):
        raise ValueError(f"U-Net: cannot be taken over, missing {missing}, unknown {unexpected}")
    weights = dict(unet.named_parameters())
    for key in missing:
        torch.nn.init.zeros_(weights[key])
    unet.set_attn_processor(processors)
    return unet.to(guided.device).eval()


def set_ip_adapter_scale(unet: Any, scales: Sequence[float]) -> None:
    """Set the weight of each image prompt in every layer, as diffusers' pipelines do."""
    for processor in unet.attn_processors.values():
        if isinstance(processor, IPAdapterAttnProcessor2_0):
            processor.scale = list(scales)
