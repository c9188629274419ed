"""An estimate equals what a real step allocates, and leaves no trace."""

from functools import partial
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import fingerprint, tiny_module

from diffmvr.losses import DecodedLoss
from diffmvr.models.components import recompute_activations
from diffmvr.models.conditioning import Conditions
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.live_memory import live_peak, size_of, size_of_module
from diffmvr.training.memory_estimate import estimate_restoring, estimate_training
from diffmvr.training.module import DiffMVRModule

FRAMES, CLIPS, SIDE = 8, 2, 32


def real_peak(module: DiffMVRModule) -> int:
    """What forward and backward of one step really allocate at most."""
    guides = len(module.guide.kinds)
    tower = module.components.image_encoders[0]
    latents = torch.randn(FRAMES, 4, 8, 8)

    def step() -> None:
        conditions = Conditions(
            mask=torch.ones(FRAMES, 1, 8, 8),
            masked_latents=torch.randn(FRAMES, 4, 8, 8),
            guide_latents=torch.randn(FRAMES, guides, 4, 8, 8),
            image_embeds=torch.randn(guides, FRAMES, tower.num_tokens("patch"), 32),
            guide_valid=torch.ones(FRAMES, guides, dtype=torch.bool),
            reference_latents=torch.zeros(FRAMES, 4, 8, 8),
        )
        batch = EncodedBatch(latents, conditions, CLIPS)
        losses = module.losses(batch, torch.Generator().manual_seed(0))
        total = losses["denoising"] + 0.1 * losses["motion"]
        if "decoded" in losses:
            total = total + module.decoded.weight * losses["decoded"]
        parameters = module.trainable_parameters()
        torch.autograd.grad(total, parameters, allow_unused=True)

    return live_peak(step, [*module.parameters(), latents, *module.components.vae.parameters()])


@pytest.mark.parametrize(("decoded", "again"), [(0.0, True), (0.2, False)])
def test_an_estimate_is_what_a_real_step_allocates(
    frozen_parts: Path, decoded: float, again: bool
) -> None:
    module = tiny_module(frozen_parts, decoded=DecodedLoss(weight=decoded))
    recompute_activations(module.components, again)
    before = fingerprint(module)
    estimate = estimate_training(module, FRAMES, CLIPS, SIDE, encoded=True)
    assert fingerprint(module) == before
    assert not any(parameter.grad is not None for parameter in module.parameters())
    assert module.scheduler is module.components.scheduler
    assert estimate.working == pytest.approx(real_peak(module), rel=0.02)
    trained = sum(map(size_of, module.trainable_parameters()))
    # Adam keeps two moments, and a step count for each tensor.
    assert estimate.optimizer == pytest.approx(2 * trained, rel=1e-3)
    assert estimate.average == trained and estimate.weights > trained
    assert estimate.total == sum((estimate.states, estimate.working))


def test_weights_that_are_shared_out(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    # Where gradients are most of what a step allocates.
    recompute_activations(module.components, True)
    estimate = partial(estimate_training, module, 1, 1, SIDE, encoded=True)
    one, many = estimate(), estimate(shares=64)
    trained = sum(map(size_of, module.trainable_parameters()))
    assert one.weights - many.weights == one.average - many.average == trained - trained // 64
    assert many.optimizer == one.optimizer // 64 and many.states < 0.25 * one.states
    # A block is gathered, the next one, and gradients; but no longer the gradients of all.
    gathered = 3 * max(map(size_of_module, module.unet.up_blocks))
    assert many.working - gathered < one.working - trained // 2


def test_recomputing_and_half_precision_need_less(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    estimate = partial(estimate_training, module, 64, 8, SIDE, device="cuda", encoded=True)
    plain, half = estimate().working, estimate(precision="bf16-mixed").working
    recompute_activations(module.components, True)
    again = estimate().working
    assert again < 0.8 * plain and half < plain


def test_restoring_needs_no_gradients(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    one, many = (estimate_restoring(module.components, frames, SIDE) for frames in (1, 16))
    assert one.optimizer == one.average == 0 and one.weights == many.weights
    assert 8 < many.working / one.working < 20
