"""A run that is killed, or whose checkpoints are damaged, ends as one that was left in peace."""

import json
import logging
import os
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tests.helpers.commands import run
from tests.helpers.tiny import fingerprint

from diffmvr.config import config_dir
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.runs.checkpoint_io import DamagedCheckpointError, read_checkpoint
from diffmvr.train import main, train
from diffmvr.training.ema import EMACallback

TRIALS = Path(__file__).parents[2] / "experiments" / "resume_trials.py"
LESS = [
    *("debug=fast", "threads=1", "logger=csv", "experiment=baseline", "trainer.max_steps=3"),
    *("trainer.val_check_interval=1", "data.source.num_frames=8", "data.window=4"),
    *("data.batch_frames=8", "preprocessing.align_past=similarity", "evaluation.restorers=null"),
    *("callbacks.samples=null", "callbacks.progress=null", "+trainer.enable_progress_bar=false"),
]


def overrides(weights: Path, output: Path, *more: str) -> list[str]:
    return [*LESS, f"paths.weights={weights}", f"paths.output={output}", *more]


def composed(weights: Path, output: Path, *more: str) -> DictConfig:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", overrides(weights, output, *more))


def model_of(run: Path) -> dict[str, str]:
    return fingerprint(DiffMVRPipeline.from_pretrained(run / "model").unet)


def test_kills_and_corruptions(tmp_path: Path) -> None:
    trials = ["--kills=3", "--corruptions=40", "--steps=6"]
    run(str(TRIALS), *trials, f"--output={tmp_path / 'resume.json'}", cwd=tmp_path)
    facts = json.loads((tmp_path / "resume.json").read_text())
    assert facts["kills"]["kills"] == 3 and facts["kills"]["losses compared in each run"] > 12
    assert facts["kills"]["differences from the run that was not killed"] == []
    damaged = facts["corruptions"]
    assert damaged["refused"] == damaged["fell back to the checkpoint before"] == 40
    assert damaged["loaded in silence"] == 0 < damaged["torch.load alone would have loaded"]


@pytest.fixture(scope="module")
def whole(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was left in peace, and kept its best checkpoint."""
    folder = tmp_path_factory.mktemp("whole")
    train(composed(weights, folder, "callbacks=[default,best]"))
    return folder


class KilledError(Exception):
    """Stands for the end of the process."""


def test_the_ledger_goes_on_from_the_newest_that_is_whole(
    weights: Path,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    validate = EMACallback.on_validation_start

    def killed(self: EMACallback, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.global_step == 2:
            raise KilledError
        validate(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(EMACallback, "on_validation_start", killed)
        with pytest.raises(KilledError):
            train(composed(weights, tmp_path, "ledger=true"))
    checkpoints = tmp_path / "checkpoints"
    assert {path.name for path in checkpoints.iterdir()} == {
        "crash.ckpt",
        "last.ckpt",
        "step1.ckpt",
    }
    for name in ("crash.ckpt", "last.ckpt"):
        with (checkpoints / name).open("r+b") as file:
            file.seek(-5000, os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
    with caplog.at_level(logging.WARNING):
        train(composed(weights, tmp_path, "ledger=true"))
    assert "crash.ckpt: damaged" in caplog.text and "last.ckpt: damaged" in caplog.text
    assert model_of(tmp_path) == model_of(whole)
    assert not (checkpoints / "crash.ckpt").exists()


def test_a_damaged_checkpoint_that_is_named_is_an_error(
    weights: Path,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes((whole / "checkpoints" / "last.ckpt").read_bytes()[:-1])
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", f"hydra.run.dir={tmp_path}"]
    arguments = overrides(weights, tmp_path, f"ckpt_path={damaged}", *quiet)
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and f"ckpt_path: {damaged}: damaged" in said
    assert "name another one, or take ckpt_path=last" in said and "Traceback" not in said


def test_all_damaged_is_an_error(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "last.ckpt").write_bytes(b"PK")
    with pytest.raises(DamagedCheckpointError, match="every checkpoint in it is damaged"):
        train(composed(weights, tmp_path, "ckpt_path=last"))


def test_the_best_checkpoint_becomes_a_model(weights: Path, tmp_path: Path, whole: Path) -> None:
    (best,) = (whole / "checkpoints").glob("best-step*.ckpt")
    train(composed(weights, tmp_path, f"ckpt_path={best}", "trainer.max_steps=0"))
    unet = DiffMVRPipeline.from_pretrained(tmp_path / "model").unet
    averages = read_checkpoint(best)["callbacks"]["EMACallback"]["shadow_params"]
    parameters = list(unet.parameters())
    assert len(averages) >= len(parameters)
    assert all(torch.equal(a, b) for a, b in zip(parameters, averages, strict=False))
