"""A checkpoint tells no folder, and names no file outside of its run's folder."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel

from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO, read_checkpoint
from diffmvr.training.checkpoint_places import CheckpointPlaces


def fit(folder: Path, steps: int, checkpoint: Path | None = None) -> ModelCheckpoint:
    """Train a linear layer and keep the newest two checkpoints."""
    keeper = ModelCheckpoint(
        folder,
        "{step}",
        monitor="step",
        mode="max",
        save_top_k=2,
        save_last=True,
        every_n_train_steps=1,
    )
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[CheckpointPlaces(), keeper],
        plugins=[VerifiedCheckpointIO()],
    )
    trainer.fit(BoringModel(), ckpt_path=checkpoint, weights_only=True)
    return keeper


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_holds_no_path_and_its_run_goes_on_as_before(tmp_path: Path) -> None:
    run = tmp_path / "anna" / "checkpoints"
    before = fit(run, 3)
    assert names(run) == ["last.ckpt", "step=2.ckpt", "step=3.ckpt"]
    assert b"anna" not in (run / "last.ckpt").read_bytes()
    # The run's folder has another place now: nothing in it depended on that.
    moved = tmp_path / "ben"
    run.rename(moved)
    after = fit(moved, 5, moved / "last.ckpt")
    assert names(moved) == ["last.ckpt", "step=4.ckpt", "step=5.ckpt"]
    assert list(before.best_k_models) == [str(run / f"step={n}.ckpt") for n in (2, 3)]
    assert set(after.best_k_models) == {str(moved / f"step={n}.ckpt") for n in (4, 5)}


def poisoned(file: Path, **paths: Any) -> None:
    content = read_checkpoint(file)
    (state,) = content["callbacks"].values()
    state |= paths
    VerifiedCheckpointIO().save_checkpoint(content, file)


@pytest.mark.parametrize("away", ["{tmp}/thesis.txt", "../thesis.txt"])
def test_a_checkpoint_cannot_delete_a_file_outside_of_its_run(tmp_path: Path, away: str) -> None:
    run, thesis = tmp_path / "run", tmp_path / "thesis.txt"
    fit(run, 2)
    thesis.write_text("four years")
    place = str(run / "..") + "/thesis.txt" if away.startswith("..") else away.format(tmp=tmp_path)
    poisoned(
        run / "last.ckpt",
        dirpath=str(run),
        last_model_path=place,
        kth_best_model_path=place,
        kth_value=torch.tensor(0),
        best_k_models={place: torch.tensor(0), str(run / "step=2.ckpt"): torch.tensor(2)},
    )
    fit(run, 4, run / "last.ckpt")
    assert thesis.read_text() == "four years"
    assert {"step=3.ckpt", "step=4.ckpt"} <= set(names(run))


def test_another_runs_files_are_not_this_ones(tmp_path: Path) -> None:
    fit(tmp_path / "first", 3)
    kept = fit(tmp_path / "second", 4, tmp_path / "first" / "last.ckpt")
    assert names(tmp_path / "first") == ["last.ckpt", "step=2.ckpt", "step=3.ckpt"]
    assert names(tmp_path / "second") == ["last.ckpt", "step=4.ckpt"]
    assert kept.best_model_path == str(tmp_path / "second" / "step=4.ckpt")
