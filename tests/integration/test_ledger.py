"""A sweep's jobs under the ledger: finished, skipped, killed, resumed, changed."""

import shutil
import sys
from pathlib import Path

import lightning as L
import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tests.helpers.tiny import fingerprint

from diffmvr import evaluate as evaluate_module
from diffmvr import train as train_module
from diffmvr.config import config_dir
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.reporting.frame_rows import load_frames
from diffmvr.run_record import load_run_record
from diffmvr.runs.hashes import model_hash
from diffmvr.runs.ledger import Job
from diffmvr.train import train
from diffmvr.training.ema import EMACallback

LESS = [
    *("debug=fast", "threads=1", "logger=csv", "ledger=true", "experiment=baseline"),
    *("trainer.max_steps=2", "trainer.val_check_interval=1", "data.source.num_frames=8"),
    *("data.window=4", "data.batch_frames=8", "preprocessing.align_past=similarity"),
    "evaluation.restorers=[]",
]


def composed(weights: Path, output: Path, *overrides: str) -> DictConfig:
    fixed = [f"paths.weights={weights}", f"paths.output={output}"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", [*LESS, *fixed, *overrides])


def weights_of(run: Path) -> dict[str, str]:
    return fingerprint(DiffMVRPipeline.from_pretrained(run / "model").unet)


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_job_is_killed_goes_on_and_is_skipped(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(composed(weights, whole))
    record = load_run_record(whole)
    assert (record.name, record.seed, record.mask_type) == ("baseline", 0, "segmentation")
    assert record.steps == 2 and record.settings["guide.kinds"] == ["past"]
    assert record.weights_hash and record.base_hash and not record.resumed

    validate = EMACallback.on_validation_start

    def killed(self: EMACallback, trainer: L.Trainer, module: L.LightningModule) -> None:
        # At the second validation, when the first step's checkpoint is there.
        if (stopped / "checkpoints" / "last.ckpt").is_file():
            raise KilledError
        validate(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(EMACallback, "on_validation_start", killed)
        with pytest.raises(KilledError):
            train(composed(weights, stopped))
    assert not (stopped / "run.json").exists() and (stopped / "job.json").is_file()

    train(composed(weights, stopped))
    again = load_run_record(stopped)
    assert again.resumed and again.steps == 2
    assert again.weights_hash == record.weights_hash, "as if it had never been stopped"
    assert weights_of(stopped) == weights_of(whole)
    assert (
        pl.read_parquet(stopped / "scores.parquet")["psnr_hole"].to_list()
        == pl.read_parquet(whole / "scores.parquet")["psnr_hole"].to_list()
    )

    def never(*_: object) -> None:
        raise AssertionError("a finished job is not run again")

    monkeypatch.setattr(train_module, "_prepare", never)
    assert train(composed(weights, stopped)).model == stopped / "model"
    with pytest.raises(ValueError, match=r"other settings \(seed: 0 -> 1\)"):
        train(composed(weights, stopped, "seed=1"))


def test_an_evaluation_that_has_finished_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = ["hydra/job_logging=none", "hydra/hydra_logging=none", f"hydra.run.dir={tmp_path}"]
    fixed += ["restorers=[telea,mirror]", "reference=telea", "scoring.distances=null", "threads=1"]
    fixed += ["data.source.subjects=36", "data.source.num_frames=6", "limit=2"]

    def run(*overrides: str) -> None:
        monkeypatch.setattr(
            sys, "argv", ["evaluate", *fixed, "frames=true", "ledger=true", *overrides]
        )
        evaluate_module.main()

    run()
    record = load_run_record(tmp_path)
    assert (record.kind, record.name, record.mask_type) == ("evaluate", "evaluate", "segmentation")
    assert "restorers=[telea,mirror]" in record.command and record.settings["num_inference_steps"]
    rows, frames = pl.read_parquet(tmp_path / "scores.parquet"), load_frames(tmp_path)
    assert set(frames["restorer"]) == {"telea", "mirror"}
    assert frames.height == rows["n_hole_frames"].sum()

    def never(*_: object) -> None:
        raise AssertionError("a finished job is not run again")

    monkeypatch.setattr(evaluate_module, "evaluate", never)
    run()
    with pytest.raises(SystemExit) as stop:
        run("seed=1")
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "other settings (seed: 0 -> 1)" in said


def test_a_base_of_the_hub_counts_by_its_files(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def begin(_cfg: object, _kind: str, job: Job, *_: object) -> dict[str, float]:
        begun.append(job)
        return {}

    monkeypatch.setattr("diffmvr.training.fitting._fit", begin)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / "cache" / "models--owner--name"
    (repository / "refs").mkdir(parents=True)

    def publish(revision: str) -> Path:
        (repository / "refs" / "main").write_text(revision)
        base = shutil.copytree(weights / "tiny-base", repository / "snapshots" / revision)
        return base / "unet" / "diffusion_pytorch_model.safetensors"

    cfg = composed(weights, tmp_path / "run", "model.components.base=owner/name")
    publish("first")
    train(cfg)
    (job,) = begun
    assert job.settings["hash of base"] == model_hash(weights / "tiny-base") != ""
    publish("second")
    train(cfg)
    assert len(begun) == 2, "the same files under another revision"
    publish("third").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"other settings \(hash of base: '\w+' -> '\w+'\)"):
        train(cfg)
