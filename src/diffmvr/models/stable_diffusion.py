"""Stable Diffusion 1.5 as it is published: its architecture, and the one-file layout.

The three settings below are those of ``unet/``, ``vae/`` and ``scheduler/`` in the diffusers layout
of Stable Diffusion 1.5.  A single ``.safetensors`` file holds the same weights under the names of
CompVis' latent-diffusion and no settings at all, so they have to come from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diffmvr.tensor_files import check_finite_weights, without_prefixes

UNET_CONFIG: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
VAE_CONFIG: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
SCHEDULER_CONFIG: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
_INPUT = UNET_PREFIX + "input_blocks.0.0.weight"


@dataclass(frozen=True)
class SingleFile:
    """The weights of a one-file checkpoint under diffusers' names; the text tower is not read.

    Attributes:
        unet: of the U-Net.
        vae: of the autoencoder.
        in_channels: of the U-Net: 4, or 9 for an inpainting checkpoint.
    """

    unet: dict[str, Tensor]
    vae: dict[str, Tensor]
    in_channels: int


def read_single_file(
    path: Path, unet_config: Mapping[str, Any], vae_config: Mapping[str, Any]
) -> SingleFile:
    """Read a ``.safetensors`` file in the layout of latent-diffusion.

    Args:
        path: the file.
        unet_config: settings of the U-Net; says how its blocks are counted.
        vae_config: the same of the autoencoder.

    Raises:
        ValueError: if it is no such file, or of another layout or architecture.
    """
    try:
        with safe_open(path, framework="pt") as file:
            saved = without_prefixes({name: name for name in file.keys()}, path)  # noqa: SIM118 - no mapping
            state = {
                name: file.get_tensor(own)
                for name, own in saved.items()
                if name.startswith((UNET_PREFIX, VAE_PREFIX))
            }
    except (SafetensorError, OSError) as error:
        raise ValueError(f"base: {path} is no safetensors file that can be read ({error})") from (
            error
        )
    if _INPUT not in state or not any(name.startswith(VAE_PREFIX) for name in state):
        raise ValueError(
            f"base: {path} is not in the one-file layout of Stable Diffusion ({_INPUT} and "
            f"{VAE_PREFIX}* are expected); give such a file, or a folder with unet/, vae/ and "
            "scheduler/"
        )
    check_finite_weights(state, f"base: {path}")
    try:
        with torch.no_grad():
            unet = convert_ldm_unet_checkpoint(state, dict(unet_config))
            vae = convert_ldm_vae_checkpoint(state, dict(vae_config))
    except (KeyError, IndexError) as error:
        raise ValueError(
            f"base: {path} is of another architecture than its settings (no {error}); give those "
            "of its own model, a folder in diffusers layout, as model.components.configs=FOLDER"
        ) from error
    return SingleFile(unet, vae, state[_INPUT].shape[1])
