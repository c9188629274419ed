"""The debugging groups, from the configuration to what they leave behind."""

import json
from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tests.integration.test_train import LESS

from diffmvr.config import config_dir
from diffmvr.train import train

SMALL = [*LESS[1:], "logger=csv", "evaluation.restorers=null"]


def composed(weights: Path, output: Path, *overrides: str) -> DictConfig:
    fixed = [f"paths.weights={weights}", f"paths.output={output}"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", [*fixed, *overrides])


def test_overfit_sees_one_clip(weights: Path, tmp_path: Path) -> None:
    steps = ["trainer.max_steps=6", "trainer.val_check_interval=3", "trainer.log_every_n_steps=1"]
    train(composed(weights, tmp_path, "debug=overfit", *SMALL, *steps))
    losses = pl.read_csv(tmp_path / "metrics.csv", infer_schema_length=None)
    assert losses["train/loss"].drop_nulls().len() == 6
    assert losses["val/loss_denoising"].drop_nulls().len() == 2
    assert {path.name for path in (tmp_path / "samples").glob("*.png")} == {
        "step000003.png",
        "step000006.png",
    }


def test_the_profile_is_in_the_runs_folder(weights: Path, tmp_path: Path) -> None:
    train(composed(weights, tmp_path, "debug=profile", *SMALL, "trainer.max_steps=6"))
    folder = tmp_path / "profile"
    (table,) = folder.glob("fit-profile*.txt")
    assert "aten::" in table.read_text()
    (trace,) = folder.glob("*.json")
    assert json.loads(trace.read_text())["traceEvents"]
    assert not (tmp_path / "samples").exists()


def test_a_learning_rate_is_found_and_nothing_trained(weights: Path, tmp_path: Path) -> None:
    result = train(composed(weights, tmp_path, "debug=find_lr", *SMALL, "find_lr.num_training=20"))
    assert not result.model.exists() and not (tmp_path / "checkpoints").exists()
    report = json.loads((tmp_path / "learning_rate.json").read_text())
    assert len(report["learning_rates"]) == len(report["smoothed_losses"])
    assert (tmp_path / "learning_rate.png").stat().st_size > 1000


def test_utilization_is_logged_beside_the_rest(weights: Path, tmp_path: Path) -> None:
    overrides = ["debug=fast", *SMALL, "callbacks=[default,utilization]"]
    train(composed(weights, tmp_path, *overrides))
    metrics = pl.read_csv(tmp_path / "metrics.csv", infer_schema_length=None)
    assert (metrics["train/tflops_per_second"].drop_nulls() > 0).all()


@pytest.mark.parametrize("order", [["debug=fast", "data=clips"], ["data=clips", "debug=fast"]])
def test_fast_takes_clips_of_a_store(order: list[str]) -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", [*order, "data.root=STORE"])
    assert "subjects" not in cfg.data.source and cfg.data.max_clips == 36
