"""What the U-Net is told about a frame besides its noisy latents.

N frames (B·T folded), G guides, L tokens, c × h × w latents.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.models.components import Components
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_memory import GuideMemory
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.vae import compression, encode_latents, latent_mask


@dataclass(frozen=True)
class Conditions:
    """Encoded inputs of the U-Net; everything that does not change over the sampling steps.

    Attributes:
        mask: ``[N, 1, h, w]`` 0/1, 1 = hidden.
        masked_latents: ``[N, c, h, w]``, latents of (1 − m) ⊙ v.
        guide_latents: ``[N, G, c, h, w]``, zero where a guide does not exist; G = 0 without the
            ``latents`` pathway.
        image_embeds: ``[G, N, L, p]`` tokens of the guides; zero without the ``attention``
            pathway.
        guide_valid: ``[N, G]`` bool.
        reference_latents: ``[N, c, h, w]``, latents of v with its hole filled by the past guide,
            which predictions are relative to; zero without ``guide.residual``.
    """

    mask: Tensor
    masked_latents: Tensor
    guide_latents: Tensor
    image_embeds: Tensor
    guide_valid: Tensor
    reference_latents: Tensor

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, frames: slice) -> "Conditions":
        return Conditions(
            self.mask[frames],
            self.masked_latents[frames],
            self.guide_latents[frames],
            self.image_embeds[:, frames],
            self.guide_valid[frames],
            self.reference_latents[frames],
        )

    @staticmethod
    def cat(parts: list["Conditions"]) -> "Conditions":
        """Join conditions along the frames."""
        joined = {
            f.name: torch.cat([getattr(part, f.name) for part in parts], dim=dim)
            for f, dim in zip(fields(Conditions), (0, 0, 0, 1, 0, 0), strict=True)
        }
        return Conditions(**joined)


@torch.no_grad()
def encode_conditions(
    components: Components,
    masked_pixel_values: Tensor,
    mask: Tensor,
    guide_pixel_values: Tensor,
    guide_valid: Tensor,
    memory: GuideMemory | None = None,
) -> Conditions:
    """Encode the masked frames and the guides with the frozen autoencoder and towers.

    Args:
        components: the model.
        masked_pixel_values: ``[N, 3, H, W]`` in [-1, 1], 0 in the hole.
        mask: ``[N, 1, H, W]`` 0/1.
        guide_pixel_values: ``[N, G, 3, H, W]`` in [-1, 1].
        guide_valid: ``[N, G]`` bool.
        memory: of the recording whose frames these are; ``None`` for frames that belong to none.

    Raises:
        ValueError: if a shape does not fit, or the sides are no multiple of the compression.
    """
    guide, factor = components.guide, compression(components.vae.config)
    check_shape("masked_pixel_values", masked_pixel_values, (None, 3, None, None))
    n, _, height, width = masked_pixel_values.shape
    if height % factor or width % factor:
        raise ValueError(
            f"masked_pixel_values: sides must be multiples of {factor}, got {height} × {width}"
        )
    check_shape("mask", mask, (n, 1, height, width))
    check_shape("guide_pixel_values", guide_pixel_values, (n, len(guide.kinds), 3, height, width))
    check_same_shape("guide_valid", guide_valid, "guides", guide_pixel_values[:, :, 0, 0, 0])

    masked_latents = encode_latents(components.vae, masked_pixel_values)
    guide_latents = masked_latents.new_zeros(n, 0, *masked_latents.shape[1:])
    if guide.uses_latents:
        encode = partial(encode_latents, components.vae)
        flat = _encoded("latents", guide_pixel_values.flatten(0, 1), encode, memory)
        present = guide_valid[:, :, None, None, None]
        guide_latents = flat.unflatten(0, (n, -1)) * present
    # Without the attention pathway every guide is its null embedding; no tower is run.
    image_embeds = torch.stack(
        [
            _encode_runs(encoder, guide_pixel_values[:, g], guide.tokens, f"tokens {g}", memory)
            if guide.uses_attention
            else masked_latents.new_zeros(
                n, encoder.num_tokens(guide.tokens), encoder.token_width(guide.tokens)
            )
            for g, encoder in enumerate(components.image_encoders)
        ]
    )
    reference_latents = torch.zeros_like(masked_latents)
    if guide.uses_residual:
        filled = fill_with_past(guide, masked_pixel_values, mask, guide_pixel_values, guide_valid)
        reference_latents = encode_latents(components.vae, filled)
    attended = guide_valid if guide.uses_attention else torch.zeros_like(guide_valid)
    return Conditions(
        latent_mask(mask, factor),
        masked_latents,
        guide_latents,
        image_embeds,
        attended,
        reference_latents,
    )


def _encode_runs(
    encoder: GuideEncoder, images: Tensor, tokens: str, kind: str, memory: GuideMemory | None
) -> Tensor:
    """Return ``[N, L, p]``; a guide that consecutive frames share is encoded once."""
    distinct, which = torch.unique_consecutive(images, dim=0, return_inverse=True)
    return _encoded(kind, distinct, lambda batch: encoder(batch, tokens), memory)[which]


def _encoded(
    kind: str, images: Tensor, encode: Callable[[Tensor], Tensor], memory: GuideMemory | None
) -> Tensor:
    """Encode images, those alone that a memory does not know."""
    return encode(images) if memory is None else memory.encode(kind, images, encode)


def fill_with_past(
    guide: GuideSettings,
    masked_pixel_values: Tensor,
    mask: Tensor,
    guide_pixel_values: Tensor,
    guide_valid: Tensor,
) -> Tensor:
    """Fill the holes with the past guide: ``[N, 3, H, W]``, still 0 in frames that have none."""
    index = guide.kinds.index("past")
    hole = (mask > 0.5) & guide_valid[:, index, None, None, None]
    return torch.where(hole, guide_pixel_values[:, index], masked_pixel_values)


def unet_input(noisy_latents: Tensor, conditions: Conditions) -> Tensor:
    """Return the inpainting input [noisy (c), mask (1), masked (c), guides (G·c)]; decisions 2."""
    return torch.cat(
        [
            noisy_latents,
            conditions.mask,
            conditions.masked_latents,
            conditions.guide_latents.flatten(1, 2),
        ],
        dim=1,
    )
