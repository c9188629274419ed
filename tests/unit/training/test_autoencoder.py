"""Pretraining of the small autoencoder and of the small tower."""

from functools import partial
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import fingerprint, smooth_images

from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.part_loading import load_vae
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.training.autoencoder import (
    AutoencoderModule,
    cosine_with_warmup,
    measure_scaling_factor,
)
from diffmvr.training.contrastive import ContrastiveModule

ADAM = partial(torch.optim.AdamW, lr=3e-3)


def train(module: torch.nn.Module, batch: tuple, steps: int) -> list[float]:
    """Optimise one batch by hand, as Lightning would, and return the losses."""
    module.log = lambda *_args, **_kwargs: None
    optimizer = module.configure_optimizers()["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = 3e-3  # the schedule's warm-up starts at 0
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = module.training_step(batch, step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_autoencoder_learns(frozen_parts: Path) -> None:
    torch.manual_seed(0)
    module = AutoencoderModule(load_vae(frozen_parts / "vae"), ADAM, max_steps=100)
    losses = train(module, (smooth_images(8), [""] * 8), 40)
    assert losses[-1] < 0.6 * losses[0]


def test_a_decoder_alone_leaves_the_latent_space_as_it_is(frozen_parts: Path) -> None:
    vae = load_vae(frozen_parts / "vae")
    before = fingerprint(vae)
    module = AutoencoderModule(vae, ADAM, max_steps=100, train_encoder=False)
    train(module, (smooth_images(4), [""] * 4), 2)
    after = fingerprint(vae)
    moved = {name for name in before if before[name] != after[name]}
    assert moved and all(name.startswith("decoder.") for name in moved)


def test_without_latent_noise_the_loss_is_its_formula(frozen_parts: Path) -> None:
    vae = load_vae(frozen_parts / "vae")
    module = AutoencoderModule(vae, ADAM, max_steps=1, latent_noise=0.0, mse_weight=3.0)
    module.log = lambda *_args, **_kwargs: None
    images = smooth_images(2)
    error = decode_latents(vae, encode_latents(vae, images)) - images
    expected = error.abs().mean() + 3 * error.square().mean()
    torch.testing.assert_close(module.training_step((images, []), 0), expected)


def test_the_scaling_factor_gives_latents_of_unit_spread(frozen_parts: Path) -> None:
    vae, images = load_vae(frozen_parts / "vae"), smooth_images(16)
    factor = measure_scaling_factor(vae, images)
    vae.register_to_config(scaling_factor=factor)
    assert encode_latents(vae, images).std().item() == pytest.approx(1.0, rel=1e-4)


def test_warm_up_and_cosine_decay() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = cosine_with_warmup(optimizer, warmup_steps=4, max_steps=12)
    rates = []
    for _ in range(13):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0, 0.5, 1.0, 1.5, 2.0])
    assert rates[8] == pytest.approx(1.0) and rates[12] == pytest.approx(0, abs=1e-9)


def test_the_tower_learns_to_tell_captions_apart() -> None:
    torch.manual_seed(0)
    encoder = GuideEncoder(32, 16, width=32, layers=2, heads=2, mlp_ratio=2.0, embed_dim=16)
    module = ContrastiveModule(
        encoder, ADAM, max_steps=100, context_length=8, text_width=16, text_layers=1
    )
    captions = ["a red face", "two green hands", "a blue tube", "an eye"]
    losses = train(module, (smooth_images(4), captions), 25)
    assert losses[-1] < 0.5 * losses[0]
    assert module.logit_scale.exp() <= 100.0
