"""A seed repeats a run bit for bit, and a resumed run is the run that was never stopped."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.tiny import digest, fingerprint, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.training.ema import EMACallback

STEPS = 8


def run(
    frozen_parts: Path, folder: Path, seed: int = 0, resume: Path | None = None
) -> dict[str, object]:
    """Train for ``STEPS`` steps, keeping a checkpoint of every step; return where it ended."""
    every_step = ModelCheckpoint(
        folder / "steps", "{step}", every_n_train_steps=1, save_top_k=-1, save_last=False
    )
    # As conf/callbacks does: after each validation, here every second step.
    at_validation = ModelCheckpoint(
        folder / "validated", "{step}", monitor="val/loss_denoising", save_top_k=-1, save_last=True
    )
    average = EMACallback(decay=0.9)
    trainer = tiny_trainer(folder, STEPS, [every_step, at_validation, average])
    datamodule = tiny_datamodule(seed=seed)
    module = tiny_module(frozen_parts, seed=seed)
    trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)
    assert trainer.global_step == STEPS
    last = torch.load(folder / "validated" / "last.ckpt", weights_only=True)
    return {
        # on_fit_end has put the average into the module.
        "average": fingerprint(module),
        "weights": {key: digest(value) for key, value in last["state_dict"].items()},
        "optimizer": {
            (index, key): digest(value)
            for index, state in last["optimizer_states"][0]["state"].items()
            for key, value in state.items()
        },
        "schedule": last["lr_schedulers"][0],
        "batches": trainer.num_training_batches,
    }


@pytest.fixture(scope="module")
def whole(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    """The run that is never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(frozen_parts, folder)


def test_a_fixed_seed_repeats_the_run(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, dict[str, object]]
) -> None:
    torch.rand(7)  # the global generator is nobody's source of noise here
    assert run(frozen_parts, tmp_path) == whole[1]


def test_another_seed_is_another_run(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, dict[str, object]]
) -> None:
    assert run(frozen_parts, tmp_path, seed=1)["weights"] != whole[1]["weights"]


# An epoch has 3 batches: within the first, at its end, after it, within the second, at its end.
@pytest.mark.parametrize("step", [2, 3, 4, 5, 6])
def test_a_resumed_run_ends_where_the_whole_one_did(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, dict[str, object]], step: int
) -> None:
    folder, expected = whole
    assert expected["batches"] == 3
    checkpoint = folder / "steps" / f"step={step}.ckpt"
    assert run(frozen_parts, tmp_path, resume=checkpoint) == expected


@pytest.mark.parametrize("step", [2, 6])
def test_a_run_resumes_from_a_validations_checkpoint(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, dict[str, object]], step: int
) -> None:
    folder, expected = whole
    checkpoint = folder / "validated" / f"step={step}.ckpt"
    assert run(frozen_parts, tmp_path, resume=checkpoint) == expected
