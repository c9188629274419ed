"""A part is what its folder says, or the folder is named."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler
from tests.helpers.tiny import smooth_images

from diffmvr.models.part_loading import load_scheduler, load_vae, load_vae_like
from diffmvr.models.vae import decode_latents, encode_latents


def test_any_sampler_in_the_folder_becomes_ddim_without_clipping(tmp_path: Path) -> None:
    EulerDiscreteScheduler(beta_schedule="scaled_linear").save_pretrained(tmp_path / "scheduler")
    scheduler = load_scheduler(tmp_path / "scheduler")
    assert type(scheduler).__name__ == "DDIMScheduler"
    assert scheduler.config.clip_sample is False
    assert scheduler.config.beta_schedule == "scaled_linear"


def test_an_unknown_autoencoder_is_named(frozen_parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vae"
    with pytest.raises(FileNotFoundError, match="no autoencoder in"):
        load_vae(folder)
    shutil.copytree(frozen_parts / "vae", folder)
    config = json.loads((folder / "config.json").read_text())
    for name in ("AutoencoderOfTheFuture", "UNet2DModel"):
        (folder / "config.json").write_text(json.dumps({**config, "_class_name": name}))
        with pytest.raises(ValueError, match=rf"_class_name: .*, got .{name}."):
            load_vae(folder)


def tiny_autoencoder(folder: Path, channels: int = 4) -> AutoencoderTiny:
    """TAESD's class and layout, four times smaller latents, random weights."""
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
        latent_channels=channels,
    )
    vae.save_pretrained(folder)
    return vae.eval()


def test_another_autoencoder_of_the_same_latents_takes_the_place(
    frozen_parts: Path, tmp_path: Path
) -> None:
    own, images = load_vae(frozen_parts / "vae"), smooth_images(2)
    saved = tiny_autoencoder(tmp_path / "taesd")
    vae = load_vae_like(tmp_path / "taesd", own)
    assert isinstance(vae, AutoencoderTiny) and not any(p.requires_grad for p in vae.parameters())
    latents = encode_latents(vae, images)
    assert latents.shape == encode_latents(own, images).shape
    with torch.no_grad():
        torch.testing.assert_close(latents, saved.encode(images).latents)
        torch.testing.assert_close(decode_latents(vae, latents), saved.decode(latents).sample)


def test_an_autoencoder_of_other_latents_or_none_is_refused(
    frozen_parts: Path, tmp_path: Path
) -> None:
    own = load_vae(frozen_parts / "vae")
    tiny_autoencoder(tmp_path / "three", channels=3)
    with pytest.raises(ValueError, match=r"of 4 channels, 4 times smaller .* got 3 channels, 4 "):
        load_vae_like(tmp_path / "three", own)
    with pytest.raises(FileNotFoundError, match=r"hf download madebyollin/taesd .*/none`"):
        load_vae_like(tmp_path / "none", own)
