"""A seed repeats a run bit for bit, and a resumed run is the run that was never stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.tiny import (
    digest,
    fingerprint,
    tiny_datamodule,
    tiny_module,
    tiny_trainer,
)

from diffmvr.training.ema import EMACallback

STEPS = 7


class End(L.Callback):
    """What the run has at its last step, before the average replaces the raw weights."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.facts["weights"] = fingerprint(pl_module)
        self.facts["optimizer"] = {
            (index, key): digest(value)
            for index, state in trainer.optimizers[0].state_dict()["state"].items()
            for key, value in state.items()
        }
        self.facts["schedule"] = trainer.lr_scheduler_configs[0].scheduler.state_dict()


def run(
    frozen_parts: Path,
    folder: Path,
    resume: Path | None = None,
    checkpoints: Sequence[L.Callback] = (),
) -> dict[str, Any]:
    """Train for ``STEPS`` steps, validating every second one; return where it ended."""
    end = End()
    trainer = tiny_trainer(folder, STEPS, [*checkpoints, EMACallback(decay=0.9), end])
    datamodule = tiny_datamodule(clips=7, batch_frames=4)
    module = tiny_module(frozen_parts)
    trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)
    assert (trainer.global_step, trainer.num_training_batches) == (STEPS, 3)
    # on_fit_end has put the average into the module.
    return {**end.facts, "average": fingerprint(module)}


@pytest.fixture(scope="module")
def whole(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The run that is never stopped, with a checkpoint of every step and every validation."""
    folder = tmp_path_factory.mktemp("whole")
    every_step = ModelCheckpoint(folder / "step", "{step}", every_n_train_steps=1, save_top_k=-1)
    validated = ModelCheckpoint(
        folder / "validated", "{step}", monitor="val/loss_denoising", save_top_k=-1
    )
    return folder, run(frozen_parts, folder, checkpoints=[every_step, validated])


def test_a_fixed_seed_repeats_the_run(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    torch.rand(7)  # the global generator is nobody's source of noise here
    assert run(frozen_parts, tmp_path) == whole[1]


@pytest.mark.parametrize(
    "checkpoint",
    [
        "step/step=2.ckpt",  # within the first epoch
        "step/step=3.ckpt",  # at its end
        "step/step=5.ckpt",  # within the second
        "validated/step=2.ckpt",
        "validated/step=6.ckpt",  # at the end of the second
    ],
)
def test_a_resumed_run_ends_where_the_whole_one_did(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, dict[str, Any]], checkpoint: str
) -> None:
    folder, expected = whole
    assert run(frozen_parts, tmp_path, resume=folder / checkpoint) == expected
