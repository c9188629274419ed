"""The moving average: its recursion, what it leaves out, and when the module holds it."""

from pathlib import Path

import lightning as L
import pytest
import torch
from tests.helpers.tiny import fingerprint, tiny_batch, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.training.ema import EMACallback
from diffmvr.training.module import DiffMVRModule

STEPS, DECAY = 4, 0.35


class Watch(L.Callback):
    """Writes down the raw weights after every step, and what validation and the next step see."""

    def __init__(self) -> None:
        self.raw: list[list[torch.Tensor]] = []
        self.validated: list[list[torch.Tensor]] = []
        self.after: list[list[torch.Tensor]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.raw.append(weights(pl_module))

    def on_validation_batch_end(self, trainer, pl_module, *_args, **_kwargs) -> None:
        self.validated.append(weights(pl_module))

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.after.append(weights(pl_module))


def weights(module: DiffMVRModule) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.trainable_parameters()]


@pytest.fixture(scope="module")
def trained(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DiffMVRModule, Watch, list[torch.Tensor], EMACallback]:
    module, watch, average = tiny_module(frozen_parts), Watch(), EMACallback(DECAY)
    start = weights(module)
    trainer = tiny_trainer(tmp_path_factory.mktemp("ema"), STEPS, [average, watch])
    trainer.fit(module, datamodule=tiny_datamodule(clips=7, batch_frames=4))
    return module, watch, start, average


def averages(start: list[torch.Tensor], raw: list[list[torch.Tensor]]) -> list[list[torch.Tensor]]:
    """The recursion: a ← d a + (1 − d) w with d = min((1 + t) / (10 + t), decay), 0 at first."""
    current, history = [value.double() for value in start], []
    for step, new in enumerate(raw):
        decay = min((1 + step) / (10 + step), DECAY) if step > 0 else 0.0
        current = [
            decay * old + (1 - decay) * value.double()
            for old, value in zip(current, new, strict=True)
        ]
        history.append(current)
    return history


def assert_close(got: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for left, right in zip(got, expected, strict=True):
        torch.testing.assert_close(left.double(), right.double(), rtol=1e-5, atol=1e-6)


def test_the_final_module_is_the_average(trained) -> None:
    module, watch, start, _ = trained
    expected = averages(start, watch.raw)
    assert len(watch.raw) == STEPS
    assert_close(weights(module), expected[-1])
    assert any(
        (left - right).abs().max() > 1e-4
        for left, right in zip(weights(module), watch.raw[-1], strict=True)
    ), "the average is not the raw weights"


def test_validation_sees_the_average_and_training_goes_on_from_the_raw(trained) -> None:
    _, watch, start, _ = trained
    expected = averages(start, watch.raw)
    assert len(watch.validated) == 2  # after steps 2 and 4
    assert_close(watch.validated[0], expected[1])
    assert_close(watch.validated[1], expected[3])
    # on_train_batch_start of step 3 comes after the first validation.
    assert all(torch.equal(a, b) for a, b in zip(watch.after[2], watch.raw[1], strict=True))


def test_only_what_is_trained_is_averaged(trained) -> None:
    module, *_, average = trained
    shadows = average.state_dict()["shadow_params"]
    assert len(shadows) == len(module.trainable_parameters())
    assert sum(p.numel() for p in shadows) == sum(
        p.numel() for p in module.trainable_parameters()
    ), "no frozen part"
    assert all(value.requires_grad for value in module.trainable_parameters())


def test_it_refuses_another_module(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="DiffMVRModule, got LightningModule"):
        EMACallback().on_fit_start(tiny_trainer(tmp_path, 1), L.LightningModule())


def test_the_average_of_a_module_without_steps_is_the_module(
    frozen_parts: Path, tmp_path: Path
) -> None:
    module, average = tiny_module(frozen_parts), EMACallback()
    before = fingerprint(module)
    trainer = tiny_trainer(tmp_path, 1)
    average.on_fit_start(trainer, module)
    average.on_validation_start(trainer, module)
    assert fingerprint(module) == before
    module.losses(tiny_batch(), torch.Generator())
    average.on_validation_end(trainer, module)
    average.on_fit_end(trainer, module)
    assert fingerprint(module) == before
