"""A value of the wrong kind is one clear line at once, in every command."""

import os
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from diffmvr.cli import FULL_ERROR, USAGE_ERROR, entry_point

QUIET = ("hydra/job_logging=none", "hydra/hydra_logging=none")


def given(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *overrides: str, name: str = "train"
) -> list[DictConfig]:
    """Run a command that keeps its settings; return them."""
    seen: list[DictConfig] = []

    @entry_point(name)
    def command(cfg: DictConfig) -> None:
        seen.append(cfg)

    run = f"hydra.run.dir={folder / 'run'}"
    monkeypatch.setattr(sys, "argv", [name, run, *QUIET, *overrides])
    command()
    return seen


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.max_steps=abc", "trainer.max_steps: expected a number, got 'abc'"),
        ("trainer.max_steps=true", "trainer.max_steps: expected a number, got True"),
        ("trainer.max_steps=nan", "trainer.max_steps: expected a finite number, got nan"),
        ("preprocessing.clear_threshold=inf", "preprocessing.clear_threshold: expected a finite"),
        ("data.fractions=[0.8,nan,0.2]", "data.fractions.1: expected a finite number, got nan"),
        ("+extra=-inf", "extra: expected a finite number, got -inf"),
        ("ledger=maybe", "ledger: expected true or false, got 'maybe'"),
        ("threads=0", "threads: expected a whole number of at least 1, or null, got 0"),
        ("data.batch_frames=1.5", "data.batch_frames: expected a whole number of at least 1"),
        ("model.optimizer.lr=-1", "model.optimizer.lr: expected a number of at least 0, got -1"),
        ("data.num_workers=-1", "data.num_workers: expected a number of at least 0, got -1"),
        ("trainer.gradient_clip_val=-0.5", "trainer.gradient_clip_val: expected a number of at"),
        ("loss.motion.weight=-1", "loss.motion.weight: expected a number of at least 0, got -1"),
        ("seed=-1", "seed: expected a number in [0, 4.29497e+09], got -1"),
        ("mask=outline", "mask: expected one of bbox, segmentation, got 'outline'"),
        ("trainer.maxsteps=3", "did you mean trainer.max_steps?"),
    ],
)
def test_one_line_and_no_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    override: str,
    said: str,
) -> None:
    with pytest.raises(SystemExit) as stop:
        given(monkeypatch, tmp_path, override)
    error = capsys.readouterr().err
    assert stop.value.code == USAGE_ERROR
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error


def test_what_may_be_something_else_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [
        *("trainer.devices=auto", "logger.wandb.log_model=all", "trainer.val_check_interval=0.5"),
        *("evaluation.limit=null", "callbacks.samples=null", "seed=3", "mask=bbox"),
        *("evaluation.restorers=null", "+trainer.profiler=simple", "~callbacks.ema"),
        *("threads=${seed}", "trainer.max_steps=7", "experiment=dual"),
    ]
    (cfg,) = given(monkeypatch, tmp_path, *changed)
    assert (cfg.trainer.devices, cfg.logger.wandb.log_model, cfg.threads) == ("auto", "all", 3)


def test_a_run_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Not even root may write below a file.
    (tmp_path / "run").touch()
    monkeypatch.delenv(FULL_ERROR, raising=False)
    with pytest.raises(SystemExit) as stop:
        given(monkeypatch, tmp_path)
    error = capsys.readouterr().err
    assert stop.value.code == USAGE_ERROR and error.count("\n") == 1
    assert error.startswith(f"error: {tmp_path / 'run'}: ") and "hydra.run.dir=DIR" in error
    assert FULL_ERROR not in os.environ


def test_a_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @entry_point("merge")
    def command(cfg: DictConfig) -> None:
        raise KeyError("a bug")

    line = ["merge", "source=x", f"hydra.run.dir={tmp_path / 'run'}", QUIET[1]]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(KeyError, match="a bug"):
        command()
