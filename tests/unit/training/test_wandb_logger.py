import socket
import sys
from pathlib import Path

import pytest
import torch
import wandb
from lightning.pytorch.callbacks import ModelCheckpoint

from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.training.wandb_logger import build_wandb_logger, finish_wandb, keep_in_wandb


def test_what_the_tables_need_is_uploaded_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    logger = build_wandb_logger(tmp_path, "project", name="mine")
    keep_in_wandb([logger, object()], [tmp_path / "run.json", tmp_path / "absent.parquet"])
    finish_wandb([logger])
    (files,) = tmp_path.glob("wandb/offline-run-*/files")
    assert (files / "run.json").read_text() == "{}"
    assert not (files / "absent.parquet").exists()


def test_an_offline_run_names_neither_the_machine_nor_who_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "ward-seven-pc")
    monkeypatch.setenv("USER", "nurse-anna")
    monkeypatch.setenv("LOGNAME", "nurse-anna")
    monkeypatch.setattr(sys, "argv", ["train", "data.root=/home/nurse-anna/store"])
    logger = build_wandb_logger(tmp_path, "project", name="mine")
    logger.log_hyperparams({"seed": 7})
    logger.log_metrics({"loss": 0.25})
    finish_wandb([logger])
    # Its own process, which writes the file, ends.
    wandb.teardown()
    (run,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = run.read_bytes()
    assert b"seed" in content and b"loss" in content
    told = [b"ward-seven-pc", b"nurse-anna", str(tmp_path).encode(), sys.executable.encode()]
    assert not [word for word in told if word in content]


@pytest.mark.parametrize("log_model", [True, False, "all"])
def test_checkpoints_are_artifacts_by_choice(tmp_path: Path, log_model: bool | str) -> None:
    path = tmp_path / "checkpoints" / "step1.ckpt"
    VerifiedCheckpointIO().save_checkpoint({"marked": torch.arange(4321)}, path)
    callback = ModelCheckpoint(path.parent, monitor="step", mode="max")
    callback.best_model_path = str(path)
    callback.best_k_models = {str(path): torch.tensor(1)}
    callback.best_model_score = torch.tensor(1)
    logger = build_wandb_logger(tmp_path, "project", log_model=log_model)
    assert logger.experiment.offline
    logger.after_save_checkpoint(callback)
    logger.finalize("success")
    finish_wandb([logger])
    assert list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    staged = [file.read_bytes() for file in tmp_path.glob("wandb/.data/artifacts/staging/*")]
    assert staged == [path.read_bytes()] * bool(log_model), "for `wandb sync`"
