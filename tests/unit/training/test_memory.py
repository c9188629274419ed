"""An estimate equals what a real step allocates, leaves no trace, and is said in time."""

import logging
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import fingerprint, tiny_module, tiny_trainer

from diffmvr.losses import DecodedLoss
from diffmvr.models.components import recompute_activations
from diffmvr.models.conditioning import Conditions
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.memory import (
    MemoryEstimate,
    check_memory,
    estimate_restoring,
    estimate_training,
    live_peak,
    say_what_fits,
    worth_estimating,
)
from diffmvr.training.module import DiffMVRModule

FRAMES, CLIPS, SIDE = 8, 2, 32


def size_of(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


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
    gathered = 3 * max(sum(map(size_of, block.parameters())) for block in module.unet.up_blocks)
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


def test_small_models_are_not_asked_about(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    assert not worth_estimating(module)
    module.projector.to("meta").register_parameter(
        "large", torch.nn.Parameter(torch.empty(2**28, device="meta"))
    )
    assert worth_estimating(module)


def test_a_large_model_is_told_of_before_its_first_step(
    frozen_parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    module, trainer = tiny_module(frozen_parts), tiny_trainer(tmp_path, 1)
    caplog.clear()  # of what the trainer says of itself
    with caplog.at_level(logging.INFO, "diffmvr"):
        say_what_fits(module, trainer, FRAMES, CLIPS, SIDE, encoded=True)
        assert not caplog.records
        monkeypatch.setattr("diffmvr.training.memory.LEAST_TRAINED", 0)
        say_what_fits(module, trainer, FRAMES, CLIPS, None, encoded=True)
    (record,) = caplog.records
    assert record.message.startswith("memory of a training step: about 0.0 GiB")


def test_too_much_is_said_before_it_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    estimate = MemoryEstimate(weights=4 * 2**30, optimizer=8 * 2**30, working=10 * 2**30)
    assert str(estimate).startswith("about 22.0 GiB (weights 4.0, optimizer 8.0, activations and")
    available = 0
    monkeypatch.setattr("diffmvr.training.memory._memory_of", lambda _device: available)
    available = 40 * 2**30
    with caplog.at_level(logging.INFO):
        check_memory(estimate, torch.device("cpu"))
    assert [record.levelname for record in caplog.records] == ["INFO"]
    available = 20 * 2**30
    check_memory(estimate, torch.device("cpu"))
    assert caplog.records[-1].levelname == "WARNING" and "cpu has 20.0 GiB" in caplog.text
    available = 11 * 2**30
    with pytest.raises(ValueError, match=r"cpu has 11\.0 GiB; use .*gradient_checkpointing=true"):
        check_memory(estimate, torch.device("cpu"))
