"""Latents of any diffusers autoencoder."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from diffmvr.models.part_loading import load_vae
from diffmvr.models.vae import compression, decode_latents, encode_latents, latent_mask


def small_kl() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=0.2,
    ).eval()


@pytest.fixture(params=["AutoencoderKL", "AutoencoderDC"])
def vae(request: pytest.FixtureRequest, frozen_parts: Path) -> nn.Module:
    return small_kl() if request.param == "AutoencoderKL" else load_vae(frozen_parts / "vae")


@torch.no_grad()
def test_latents_are_scaled_deterministic_and_undone_by_the_decoder(vae: nn.Module) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = encode_latents(vae, images)
    assert latents.shape == (2, 4, 32 // compression(vae.config), 32 // compression(vae.config))
    assert torch.equal(latents, encode_latents(vae, images)), "no draw from the posterior"
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    plain = vae.decode(latents / vae.config.scaling_factor + shift).sample
    torch.testing.assert_close(decode_latents(vae, latents), plain)


@torch.no_grad()
def test_kl_latents_are_the_posteriors_mode() -> None:
    vae = small_kl()
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mode = vae.encode(images).latent_dist.mean
    torch.testing.assert_close(encode_latents(vae, images), (mode - 0.2) * 0.5)


def test_compression_is_counted_in_pixels(vae: nn.Module) -> None:
    assert compression(vae.config) == 4


def test_a_latent_cell_is_hidden_if_any_pixel_is() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[0, 0, 3, 4] = 1  # the last row of cell row 0, the first column of cell column 1
    cells = latent_mask(mask, 4)
    assert cells.tolist() == [[[[0, 1], [0, 0]]]]
