"""``plan=true`` of every command that has it: told, and nothing done."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.helpers.recordings import box_masks, moving_frames, write_pictures

from diffmvr import evaluate, preprocess, restore, train
from diffmvr.files import write_json

# People are drawn when they are asked for.
FEW = ("data.source.subjects=10", "data.source.num_frames=4")


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def planned(
    module: ModuleType,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", [module.__name__, *arguments, "plan=true"])
    code = 0
    try:
        module.main()
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_training(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*FEW, "trainer.max_steps=50", "data.window=4", "data.batch_frames=8"]
    arguments += ["data.fractions=[0.6,0.2,0.2]", "evaluation.restorers=[telea]", "seed=7"]
    arguments += ["data.source.clips_per_subject=1", "logger=[csv,tensorboard]"]
    code, said, told = planned(train, arguments, monkeypatch, capsys)
    assert code == 0, told
    assert "\nseed: 7\n" in said, "the settings"
    split = re.search(r"\nclips +train (\d+), val (\d+), test (\d+)\n", said)
    assert split and sum(map(int, split.groups())) == 10
    assert "8 of 64 × 64 in a step, 400 in 50 steps" in said
    assert f"{split[3]} clips, beside telea" in said
    assert "memory  about 0." in said and "time    unknown: `make bench` measures" in said
    assert "would be written in outputs/train/diffmvr/" in said
    assert "  metrics.csv\n" in said and "  tensorboard/\n" in said and "  model/\n" in said
    assert not list(empty.iterdir()), "nothing is done"
    # What has been measured here.
    row = {"size": "tiny", "device": "cpu", "pathway": "both", "images_per_second": 4.0}
    write_json(empty / "outputs/bench/bench.json", {"results": {"training": [row]}})
    said = planned(train, arguments, monkeypatch, capsys)[1]
    assert "about 0:01:40 of steps (4.0 frames/s in outputs/bench/bench.json)" in said
    # A mistake is told as by the command itself.
    code, said, told = planned(train, ["data.window=3"], monkeypatch, capsys)
    assert code == 2 and said == "" and "must be a multiple of window=3" in told
    code, _, told = planned(train, ["-m", "seed=1,2"], monkeypatch, capsys)
    assert code == 2 and told.startswith("error: plan: expected one run")


def test_an_evaluation(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(empty / "cache"))
    arguments = [*FEW, "limit=1", "restorers=[diffmvr,telea,lama]"]
    code, said, told = planned(evaluate, arguments, monkeypatch, capsys)
    assert code == 0, told
    assert "clips      1 of 1 people" in said and "restorers  diffmvr, telea" in said
    assert "absent     lama: weights not present" in said and "  table.md\n" in said
    assert not list(empty.iterdir())


def test_a_preprocessing(
    empty: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = write_pictures(tmp_path / "clip", moving_frames(6, 64, 64))
    masks = write_pictures(tmp_path / "masks", 255 * box_masks(6, 64, 64))
    arguments = [f"input={clip}", "output=store", "face=given", "boxes=boxes.csv", "fps=null"]
    arguments += ["mask=given", f"masks={masks}", "size=48"]
    code, said, told = planned(preprocess, arguments, monkeypatch, capsys)
    assert code == 0, told
    assert "1 of 1 people; 0 of them are in the store already" in said
    assert "6 by the files' headers" in said and "would be written in store:" in said
    assert not list(empty.iterdir())
    code, _, told = planned(preprocess, ["input=gone", "output=store"], monkeypatch, capsys)
    assert code == 2 and "there is no file or folder gone" in told


def test_a_restoration(
    empty: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("one", "two"):
        write_pictures(tmp_path / "all" / name, moving_frames(6, 64, 64))
    masks = write_pictures(tmp_path / "masks", 255 * box_masks(6, 64, 64))
    one = [f"input={tmp_path / 'all' / 'one'}", f"mask={masks}", "output=out", "format=png"]
    code, said, told = planned(restore, one, monkeypatch, capsys)
    assert code == 0, told
    assert "one, 64x64, 25 frames a second" in said and re.search(r"\nframes +6\n", said)
    assert "made for crops of 64 × 64" in said and "would be written in out:" in said
    assert not list(empty.iterdir()) and "doubt" not in said.partition("would be written")[2]
    listed = planned(restore, [*one, "overlay=doubt"], monkeypatch, capsys)[1]
    assert {"  doubt.mp4", "  timeline.png", "  doubt.html"} <= set(listed.splitlines())
    speed = {"pixels": 64, "frames_per_second_without_start": {"median": 2.0}}
    write_json(empty / "outputs/bench/bench.json", {"results": {"restoring": [speed]}})
    said = planned(restore, one, monkeypatch, capsys)[1]
    assert "about 0:00:03 and the start (2.0 frames/s at 64 pixels in" in said
    both = [f"input={tmp_path / 'all'}", "output=out"]
    said = planned(restore, both, monkeypatch, capsys)[1]
    assert re.search(r"\nrecordings +2\n", said) and "  cohort.csv\n" in said
    code, said, told = planned(restore, ["input=gone.mp4", "output=out"], monkeypatch, capsys)
    assert code == 2 and said == "" and "gone.mp4" in told
