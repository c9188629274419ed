import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import wandb
from lightning.pytorch.callbacks import ModelCheckpoint

from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.training import wandb_logger
from diffmvr.training.run_logger import begin_logging
from diffmvr.training.wandb_files import next_step, read_records
from diffmvr.training.wandb_logger import build_wandb_logger, finish_wandb


def records(folder: Path, kind: str) -> list[Any]:
    """Every record of a kind in the offline runs of a folder, in the order of their writing."""
    # W&B's own process, which writes the files, ends.
    wandb.teardown()
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    found = [record for file in files for record in read_records(file)]
    return [getattr(one, kind) for one in found if one.WhichOneof("record_type") == kind]


def history(folder: Path) -> list[dict[str, Any]]:
    return [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in one.item}
        for one in records(folder, "history")
    ]


def test_what_the_tables_need_is_uploaded_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    logger = build_wandb_logger(tmp_path, "project", name="mine")
    logger.keep_files([tmp_path / "run.json", tmp_path / "absent.parquet"])
    finish_wandb([logger])
    (files,) = tmp_path.glob("wandb/offline-run-*/files")
    assert (files / "run.json").read_text() == "{}"
    assert not (files / "absent.parquet").exists()


def test_a_run_that_goes_on_is_one_run(tmp_path: Path) -> None:
    def part(resumed_at: int | None, steps: range) -> str:
        logger = build_wandb_logger(tmp_path, "project", name="mine")
        begin_logging([logger], {"seed": 7}, resumed_at)
        for step in steps:
            logger.log_metrics({"loss": 0.5}, step=step)
        logger.show_table("test/scores", pl.DataFrame({"restorer": ["telea"], "psnr": [9.5]}), 4)
        finish_wandb([logger])
        # As the end of a process does, W&B's own one ends, which writes the file.
        wandb.teardown()
        return str(logger.version)

    first = part(None, range(4))
    assert part(2, range(2, 6)) == first, "the same id"
    found = history(tmp_path)
    own = [one["_step"] for one in found]
    assert own == sorted(set(own)), "W&B would drop what comes with a smaller step"
    assert [one["trainer/global_step"] for one in found if "loss" in one] == [
        *range(4),
        *range(2, 6),
    ]
    assert [one["test/scores.ncols"] for one in found if "test/scores.ncols" in one] == [2, 2]
    assert {one.run_id for one in records(tmp_path, "run")} == {first}
    # The same folder, from its beginning: another run.
    assert part(None, range(1)) != first


def test_tags_and_code_are_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_logger, "choices", lambda: {"experiment": "dual", "model": "tiny"})
    monkeypatch.setattr(wandb_logger, "read_code_diff", lambda: "+ a line")
    logger = build_wandb_logger(tmp_path, "project", group="study", code_diff=True)
    logger._wandb_init["settings"].x_stats_sampling_interval = 0.1
    begin_logging([logger], {"code": {"commit": "c0ffee", "dirty": True}}, None)
    time.sleep(0.5)
    finish_wandb([logger])
    (run,) = records(tmp_path, "run")
    assert list(run.tags) == ["experiment: dual", "model: tiny"] and run.run_group == "study"
    (update,) = (one for change in records(tmp_path, "config") for one in change.update)
    assert (update.key, json.loads(update.value_json)) == (
        "code", {"commit": "c0ffee", "dirty": True},
    )  # fmt: skip
    assert records(tmp_path, "stats"), "how busy the machine is"
    (files,) = tmp_path.glob("wandb/offline-run-*/files")
    assert (files / "code.diff").read_text() == "+ a line"
    assert not (files / "requirements.txt").exists()


def test_half_a_record_at_the_end_is_left_out(tmp_path: Path) -> None:
    logger = build_wandb_logger(tmp_path, "project")
    begin_logging([logger], {"long": "x" * 70_000}, None)
    logger.log_metrics({"loss": 1.0}, step=0)
    finish_wandb([logger])
    wandb.teardown()
    assert next_step(tmp_path, str(logger.version)) == 1
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    whole = len(list(read_records(file)))
    # A record of several blocks is there as well.
    for cut in (1, 40_000):
        (tmp_path / "cut.wandb").write_bytes(file.read_bytes()[:-cut])
        assert 0 < len(list(read_records(tmp_path / "cut.wandb"))) < whole


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
