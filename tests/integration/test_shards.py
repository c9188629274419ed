"""Several jobs, each with a part of the clips or recordings, make what one job makes."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.helpers.recordings import (
    NTSC,
    box_masks,
    moving_frames,
    without_decoder,
    write_pictures,
    write_video,
)
from tests.helpers.tiny import build_tiny

from diffmvr import evaluate, merge, restore
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.run_record import load_run_record

Call = Callable[..., None]
NAMES = ("anna", "ben", "carl")
FRAMES = 5


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run an entry point in this process."""

    def run(module: object, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["diffmvr", *arguments, "hydra/hydra_logging=none"])
        module.main()  # type: ignore[attr-defined]

    return run


def message(capsys: pytest.CaptureFixture[str], code: object) -> str:
    assert code == 2
    return capsys.readouterr().err


def test_an_evaluation_in_parts_is_the_evaluation(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    less = ["restorers=[telea,mirror]", "reference=telea", "threads=1", "frames=true"]
    less += ["data.source.subjects=36", "data.source.num_frames=4", "limit=5", "ledger=true"]
    less += ["scoring.distances.replicates=3", "hydra/job_logging=none"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    call(evaluate, *less, f"hydra.run.dir={whole}")
    call(evaluate, "--multirun", *less, "shard=1/3,2/3", f"hydra.sweep.dir={parts}")
    with pytest.raises(SystemExit) as stop:
        call(merge, f"source={parts}")
    assert "shard: 3/3 not finished" in message(capsys, stop.value.code)
    call(evaluate, "--multirun", *less, "shard=1/3,3/3", f"hydra.sweep.dir={parts}")
    call(merge, f"source={parts}")

    merged = parts / "evaluate-s0"
    for name in ("scores", "distances", "frames"):
        got, expected = (pl.read_parquet(run / f"{name}.parquet") for run in (merged, whole))
        assert got.equals(expected), name
    for name in ("table.md", "table.csv", "comparison.png"):
        assert (merged / name).read_bytes() == (whole / name).read_bytes(), name
    one, several = load_run_record(whole), load_run_record(merged)
    assert several.config_hash == one.config_hash
    # A sweep writes True for true.
    assert several.command.lower() == one.command.lower()
    # The ledger has it as finished.
    before = (merged / "scores.parquet").stat().st_mtime_ns
    call(evaluate, *less, f"hydra.run.dir={merged}")
    assert (merged / "scores.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize(("shard", "said"), [("5", "as 1/4, got 5"), ("7/6", "got 7/6")])
def test_a_part_that_cannot_be(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str], shard: str, said: str
) -> None:
    quiet = ["hydra/job_logging=none", f"hydra.run.dir={tmp_path}", "restorers=[telea]"]
    with pytest.raises(SystemExit) as stop:
        call(evaluate, *quiet, "reference=telea", f"shard={shard}")
    assert said in message(capsys, stop.value.code)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        write_video(folder / f"{name}.mp4", moving_frames(FRAMES + number, 96, 72), NTSC)
        write_pictures(tmp_path / "masks" / name, 255 * box_masks(FRAMES + number, 96, 72))
    return folder


@pytest.fixture
def fixed(
    tmp_path: Path, recordings: Path, frozen_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Every setting of a restoration but the output's."""
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    model = tmp_path / "model"
    DiffMVRPipeline.from_components(build_tiny(frozen_parts)).save_pretrained(model)
    settings = [f"input={recordings}", f"mask={tmp_path / 'masks'}", f"weights={model}"]
    return [*settings, "format=png", "device=cpu", "threads=1"]


def listed(output: Path) -> list[dict[str, str]]:
    with (output / "cohort.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_a_cohort_in_parts_is_the_cohort(
    call: Call, tmp_path: Path, fixed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    call(restore, *fixed, f"output={whole}")
    call(restore, *fixed, f"output={parts}", "shard=2/2")
    with pytest.raises(SystemExit) as stop:
        call(merge, f"source={parts}")
    assert "shard: 1/2 not finished" in message(capsys, stop.value.code)
    call(restore, *fixed, f"output={parts}", "shard=1/2")
    call(merge, f"source={parts}")

    rows = listed(whole)
    assert [row["recording"] for row in rows] == list(NAMES) and listed(parts) == rows
    assert [row["frames"] for row in rows] == ["5", "6", "7"]
    assert {row["state"] for row in rows} == {"restored"}
    for name in NAMES:
        made = sorted(path.relative_to(whole) for path in (whole / name).rglob("*.png"))
        assert len(made) >= FRAMES
        for picture in made:
            assert (parts / picture).read_bytes() == (whole / picture).read_bytes()
        assert json.loads((parts / name / "report.json").read_text()) == json.loads(
            (whole / name / "report.json").read_text()
        )

    # What is there is not restored again; other settings are another cohort.
    before = (whole / "ben" / "report.json").stat().st_mtime_ns
    (whole / "cohort.csv").unlink()
    call(restore, *fixed, f"output={whole}")
    assert listed(whole) == rows
    assert (whole / "ben" / "report.json").stat().st_mtime_ns == before
    with pytest.raises(SystemExit) as stop:
        call(restore, *fixed, f"output={whole}", "seed=1")
    assert "restored with other settings (seed: 0 -> 1)" in message(capsys, stop.value.code)


def test_one_bad_recording_does_not_stop_the_others(
    call: Call,
    tmp_path: Path,
    recordings: Path,
    fixed: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (recordings / "ben.mp4").write_bytes(b"not a video")
    carl = (recordings / "carl.mp4").read_bytes()
    (recordings / "dora.mp4").write_bytes(without_decoder(carl))
    write_pictures(tmp_path / "masks" / "dora", 255 * box_masks(FRAMES + 2, 96, 72))
    output = tmp_path / "out"
    fixed = [*fixed, f"output={output}"]
    with pytest.raises(SystemExit) as stop:
        call(restore, *fixed)
    said = message(capsys, stop.value.code)
    assert "2 of 4 recordings could not be restored (ben, dora" in said
    states = {row["recording"]: (row["state"], bool(row["reason"])) for row in listed(output)}
    good = ("restored", False)
    bad = ("failed", True)
    assert states == {"anna": good, "ben": bad, "carl": good, "dora": bad}
    assert sorted(path.name for path in output.iterdir()) == [
        *(".shards", "anna", "carl", "cohort.csv")
    ]

    for wrong, reason in (
        (f"input={recordings / 'anna.mp4'}", "is one recording"),
        ("shard=1/5", "5 jobs for 4 recordings; use at most 4"),
        ("face_box=[0,0,9,9]", "face_box: is of one recording"),
    ):
        more = [] if wrong.startswith("shard") else ["shard=1/2"]
        with pytest.raises(SystemExit) as stop:
            call(
                restore, *[f for f in fixed if f.split("=")[0] != wrong.split("=")[0]], wrong, *more
            )
        assert reason in message(capsys, stop.value.code)
