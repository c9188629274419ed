"""FLOPs of a training step, and what is logged of them."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from tests.helpers.tiny import fingerprint, tiny_batch, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.training.callbacks import FrameThroughput
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.utilization import ModelFlopsUtilization, training_flops


def test_twice_the_frames_are_twice_the_work(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    one, two = (training_flops(module, tiny_batch(clips=n, frames=4)) for n in (1, 2))
    assert one > 0
    assert two == pytest.approx(2 * one, rel=0.02)


def test_a_convolution_costs_what_the_book_says(frozen_parts: Path) -> None:
    """Forward 2·k²·C_in·C_out per output pixel; backward the same for weights and for inputs."""
    module = tiny_module(frozen_parts)
    extra = torch.nn.Conv2d(4, 4, 3, padding=1)
    before = training_flops(module, tiny_batch(clips=1, frames=4))
    network = module.unet.conv_out
    module.unet.conv_out = torch.nn.Sequential(network, extra)
    added = training_flops(module, tiny_batch(clips=1, frames=4)) - before
    assert added == 3 * 2 * 9 * 4 * 4 * 8 * 8 * 4


def test_attention_is_counted(frozen_parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tiny_module(frozen_parts)
    whole = training_flops(module, tiny_batch(clips=1))
    monkeypatch.setattr("diffmvr.training.utilization._cpu_attention", dict)
    assert training_flops(module, tiny_batch(clips=1)) < whole


def test_counting_changes_nothing(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    before, state = fingerprint(module), torch.random.get_rng_state()
    training_flops(module, tiny_batch())
    assert fingerprint(module) == before
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(p.grad is None for p in module.parameters())


class Logged(L.Callback):
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.metrics: dict[str, Any] = {}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("peak", [None, 0.5])
def test_it_is_logged_beside_the_speed(
    frozen_parts: Path, tmp_path: Path, peak: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    module: DiffMVRModule = tiny_module(frozen_parts)
    logged = Logged()
    callbacks = [FrameThroughput(), ModelFlopsUtilization(peak), logged]
    with caplog.at_level("INFO", "diffmvr.training.utilization"):
        tiny_trainer(tmp_path, 2, callbacks).fit(module, datamodule=tiny_datamodule())
    flops = logged.metrics["train/tflops_per_second"]
    per_frame = training_flops(module, tiny_batch(clips=4, frames=2)) / 8
    speed = logged.metrics["train/frames_per_second"]
    assert flops == pytest.approx(speed * per_frame / 1e12, rel=0.02)
    if peak is None:
        assert "train/mfu" not in logged.metrics
        assert "MFU is not applicable: a cpu has no peak" in caplog.text
    else:
        assert logged.metrics["train/mfu"] == pytest.approx(flops / peak)


def test_another_module_is_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, 1)
    with pytest.raises(TypeError, match="expected a DiffMVRModule, got LightningModule"):
        ModelFlopsUtilization().on_train_batch_start(trainer, L.LightningModule(), tiny_batch(), 0)
