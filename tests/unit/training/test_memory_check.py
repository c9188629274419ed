"""Whether a step fits is said before it is tried."""

import logging
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import tiny_module, tiny_trainer

from diffmvr.training.memory_check import check_memory, say_what_fits, worth_estimating
from diffmvr.training.memory_estimate import MemoryEstimate

FRAMES, CLIPS, SIDE = 8, 2, 32


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
        monkeypatch.setattr("diffmvr.training.memory_check.LEAST_TRAINED", 0)
        say_what_fits(module, trainer, FRAMES, CLIPS, None, encoded=True)
    (record,) = caplog.records
    assert record.message.startswith("memory of a training step: about 0.0 GiB")


def test_too_much_is_said_before_it_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    estimate = MemoryEstimate(weights=4 * 2**30, optimizer=8 * 2**30, working=10 * 2**30)
    assert str(estimate).startswith("about 22.0 GiB (weights 4.0, optimizer 8.0, activations and")
    available = 0
    monkeypatch.setattr("diffmvr.training.memory_check._memory_of", lambda _device: available)
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
