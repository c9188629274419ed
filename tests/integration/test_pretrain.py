"""``python -m diffmvr.pretrain``: the smallest of its stages, from the command line to the card."""

import logging
import re
import sys
from pathlib import Path

import pytest

from diffmvr.data.sources import SyntheticClips
from diffmvr.evaluation.expression_scores import ExpressionScorer
from diffmvr.pretrain import main
from diffmvr.run_record import load_run_record
from diffmvr.runs.checkpoint_io import read_checkpoint
from diffmvr.runs.hashes import model_hash

FEW = [
    "source.subjects=4",
    "source.num_frames=4",
    "held_out.subjects=2",
    "held_out.num_frames=4",
    "batch_size=4",
    "max_steps=2",
    "callbacks.checkpoint.every_n_train_steps=1",
]


def run(arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", f"hydra.run.dir={folder}"]
    monkeypatch.setattr(sys, "argv", ["pretrain", *arguments, *quiet])
    main()


def test_a_reader_of_faces_is_trained_saved_and_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "expression"
    with caplog.at_level(logging.INFO):
        run(["stage=expression", f"output={output}", *FEW], tmp_path / "run", monkeypatch)
    said = [record.getMessage() for record in caplog.records]
    assert any(re.fullmatch(r"state: accuracy: 0\.\d+|state: accuracy: [01]", one) for one in said)
    assert f"the trained part is in {output}" in said

    assert {path.name for path in output.iterdir()} == {
        "README.md",
        "config.json",
        "diffusion_pytorch_model.safetensors",
    }
    card = (output / "README.md").read_text()
    typed = " ".join(["python -m diffmvr.pretrain stage=expression", *FEW])
    assert f"- **command**: {typed}\n" in card and str(tmp_path) not in card
    assert "- **seed**: 1\n" in card
    assert "- **data**: 8 frames of 4 rendered people, seed 1001" in card
    assert "4 frames of 2 rendered people, seed 1002" in card
    for score in ("eye_open: R²", "mouth_open: MAE / range", "state: accuracy of the commonest"):
        assert f"| {score} | " in card

    clip = SyntheticClips(subjects=1, num_frames=6)[0]
    scores = ExpressionScorer.from_folder(output)(clip.frames, clip)
    assert scores["expression_error"] == 0 and scores["state_agreement"] == 1

    # A run as any other: its record, its logs, and a checkpoint that tells when it was damaged.
    record = load_run_record(tmp_path / "run")
    assert (record.kind, record.name, record.steps) == ("pretrain", "expression", 2)
    assert record.command == typed and record.weights_hash and not record.resumed
    assert "batch_size: 4" in (tmp_path / "run" / "hparams.yaml").read_text()
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] == 2
    # Stopped after one step, it goes on to the same weights, in its own folder if none is given.
    stopped, schedule = tmp_path / "stopped", ["stage=expression", "stage.module.max_steps=2"]
    run([*schedule, *FEW, "max_steps=1"], stopped, monkeypatch)
    run([*schedule, *FEW, "ckpt_path=last"], stopped, monkeypatch)
    resumed = load_run_record(stopped)
    assert resumed.resumed and resumed.steps == 2
    assert resumed.weights_hash == record.weights_hash == model_hash(stopped / "model")


def test_a_stage_of_an_unknown_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "part"
    with pytest.raises(SystemExit) as stop:
        run(["stage.kind=ear", f"output={output}"], tmp_path / "run", monkeypatch)
    assert stop.value.code == 2
    assert "stage.kind: expected one of ['vae'," in capsys.readouterr().err
    assert not output.exists()
