"""The latent space: any diffusers autoencoder behind two functions.

N images, c latent channels, f spatial compression, h = H/f, w = W/f.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def encode_latents(vae: Any, pixel_values: Tensor) -> Tensor:
    """Encode images as scaled latents, the posterior's mode where there is a posterior.

    Args:
        vae: a diffusers autoencoder.
        pixel_values: ``[N, 3, H, W]`` in [-1, 1].

    Returns:
        ``[N, c, h, w]`` latents of about unit variance.
    """
    output = vae.encode(pixel_values)
    latents: Tensor
    if hasattr(output, "latent_dist"):
        latents = output.latent_dist.mode()
    else:
        # AutoencoderTiny has another name for them than AutoencoderDC.
        latents = output.latents if hasattr(output, "latents") else output.latent
    return (latents - _shift(vae)) * vae.config.scaling_factor


def decode_latents(vae: Any, latents: Tensor) -> Tensor:
    """Decode ``[N, c, h, w]`` scaled latents to ``[N, 3, H, W]`` images (not clamped)."""
    images: Tensor = vae.decode(latents / vae.config.scaling_factor + _shift(vae)).sample
    return images


def trained_side(unet: Mapping[str, Any], vae: Mapping[str, Any]) -> int:
    """Return the side of the square frames that a U-Net was made for, in pixels.

    Args:
        unet: settings of the U-Net.
        vae: settings of the autoencoder.
    """
    return int(unet["sample_size"] * compression(vae))


def compression(vae: Mapping[str, Any]) -> int:
    """Return f, the number of image pixels per latent cell along one side.

    Args:
        vae: settings of the autoencoder.
    """
    channels = vae.get("encoder_block_out_channels") or vae["block_out_channels"]
    return 2 ** (len(channels) - 1)


def latent_mask(mask: Tensor, factor: int) -> Tensor:
    """Reduce a pixel mask to latent cells: a cell is hidden if any of its pixels is.

    Args:
        mask: ``[N, 1, H, W]`` 0/1, 1 = restore.
        factor: f, the autoencoder's spatial compression.

    Returns:
        ``[N, 1, H/f, W/f]`` 0/1.
    """
    return torch.nn.functional.max_pool2d(mask, factor)


def _shift(vae: Any) -> float:
    return getattr(vae.config, "shift_factor", None) or 0.0
