"""``python -m diffmvr.preprocess``: from recordings to a store, with given boxes and masks."""

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.helpers.detectors import disc_frames
from tests.helpers.recordings import without_decoder, write_pictures, write_video

from diffmvr.clip_store import ClipStore
from diffmvr.files import read_json
from diffmvr.preprocess import PreprocessSettings, main, preprocess

COUNT = 12
SHARED = os.environ.get("DIFFMVR_SHARED")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recordings, their boxes and their masks; no landmarker."""
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    monkeypatch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)
    for name in ("videos", "boxes", "masks"):
        (tmp_path / name).mkdir()
    for subject, state in (("S001", "Rest"), ("S002", "Pain")):
        name = f"{subject}_{state}_1s"
        write_video(tmp_path / "videos" / f"{name}.mp4", disc_frames([(90, 70)] * COUNT))
        rows = "".join(f"{t},70,50,110,90\n" for t in range(COUNT))
        (tmp_path / "boxes" / f"{name}.csv").write_text(f"frame,x0,y0,x1,y1\n{rows}")
        masks = np.zeros((COUNT, 144, 192), np.uint8)
        masks[5:8, 60:80, 80:100] = 255
        write_pictures(tmp_path / "masks" / name, masks)
    return tmp_path


def settings(folder: Path, **changes: Any) -> PreprocessSettings:
    values: dict[str, Any] = {
        "input": str(folder / "videos"),
        "output": str(folder / "store"),
        "boxes": str(folder / "boxes"),
        "mask": "given",
        "masks": str(folder / "masks"),
        "size": 48,
        "fps": None,
        "workers": 1,
        "sheets": False,
    }
    return PreprocessSettings(**{**values, **changes})


def test_recordings_become_a_store_that_knows_their_subjects(folder: Path) -> None:
    summary = preprocess(settings(folder, sheets=True))

    assert (len(summary.done), summary.failed) == (2, {})
    store = ClipStore(summary.store)
    assert store.clip_ids == ("S001_Rest_1s", "S002_Pain_1s")
    assert [store.subject_of(clip) for clip in store.clip_ids] == ["S001", "S002"]
    assert store.rows("S002_Pain_1s")["state"].unique().to_list() == ["Pain"]
    assert [bool(m.any()) for m in store.read("S001_Rest_1s").mask] == [
        5 <= t < 8 for t in range(COUNT)
    ]
    assert (summary.store / "index.html").is_file()


def test_a_recording_has_another_name_than_its_file_everywhere_in_the_store(folder: Path) -> None:
    video = folder / "videos" / "anna-1987.mp4"
    (folder / "videos" / "S001_Rest_1s.mp4").rename(video)
    masks = str(folder / "masks" / "S001_Rest_1s")
    boxes = str(folder / "boxes" / "S001_Rest_1s.csv")
    alone = {"input": str(video), "masks": masks, "boxes": boxes, "sheets": True}
    store = ClipStore(preprocess(settings(folder, name="P007", **alone)).store)
    assert store.clip_ids == ("P007",)
    assert store.subject_of("P007") == "P007"
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert not [p for p in files if "anna" in p.name or b"anna" in p.read_bytes()]
    with pytest.raises(ValueError, match="name: is of one recording, and input holds 2"):
        preprocess(settings(folder, name="P007", output=str(folder / "other")))


def test_finished_recordings_are_skipped_and_others_redone(folder: Path) -> None:
    first = preprocess(settings(folder))
    (folder / "store" / "recordings" / "S002_Pain_1s.parquet").unlink()
    for kind in ("JPEGImages", "Annotations"):
        for file in (folder / "store" / kind / "S002_Pain_1s").iterdir():
            file.unlink()
        (folder / "store" / kind / "S002_Pain_1s").rmdir()
    before = (folder / "store" / "JPEGImages" / "S001_Rest_1s" / "00000.png").stat().st_mtime_ns

    again = preprocess(settings(folder))

    assert again.complete_before == ("S001_Rest_1s",)
    assert [result.name for result in again.done] == ["S002_Pain_1s"]
    after = (folder / "store" / "JPEGImages" / "S001_Rest_1s" / "00000.png").stat().st_mtime_ns
    assert after == before
    assert len(ClipStore(first.store).manifest) == 2 * COUNT
    assert preprocess(settings(folder)).done == ()


def test_one_bad_recording_does_not_stop_the_others(folder: Path) -> None:
    good = (folder / "videos" / "S001_Rest_1s.mp4").read_bytes()
    bad = {"S003_Rest_1s": b"no video", "S004_Rest_1s": without_decoder(good)}
    for name, content in bad.items():
        (folder / "videos" / f"{name}.mp4").write_bytes(content)
        (folder / "boxes" / f"{name}.csv").write_text("frame,x0,y0,x1,y1\n0,1,1,2,2\n")
        write_pictures(folder / "masks" / name, np.zeros((COUNT, 144, 192), np.uint8))

    summary = preprocess(settings(folder))

    assert len(summary.done) == 2 and set(summary.failed) == set(bad)
    assert "S003_Rest_1s.mp4 is not a video that FFmpeg can open" in summary.failed["S003_Rest_1s"]
    assert len(ClipStore(summary.store).clip_ids) == 2
    record = summary.store / "failed.json"
    assert read_json(record) == summary.failed
    assert all(reason and "\n" not in reason for reason in summary.failed.values())

    (folder / "videos" / "S003_Rest_1s.mp4").write_bytes(good)
    assert set(preprocess(settings(folder)).failed) == set(read_json(record)) == {"S004_Rest_1s"}
    (folder / "videos" / "S004_Rest_1s.mp4").write_bytes(good)
    assert preprocess(settings(folder)).failed == {} and not record.exists()


def test_a_picture_that_promises_60000_pixels_a_side_does_not_stop_the_others(
    folder: Path,
) -> None:
    frames = folder / "frames"
    for name in ("a", "b", "c"):
        write_pictures(frames / name, disc_frames([(90, 70)] * 3))
        boxes = "".join(f"{t},70,50,110,90\n" for t in range(3))
        (folder / "boxes" / f"{name}.csv").write_text(f"frame,x0,y0,x1,y1\n{boxes}")
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    size, crc = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(header))
    file = frames / "b" / "00001.png"
    file.write_bytes(file.read_bytes()[:8] + size + header + crc + file.read_bytes()[33:])

    summary = preprocess(settings(folder, input=str(frames), mask="none", masks=None))
    assert [result.name for result in summary.done] == ["a", "c"]
    assert list(summary.failed) == ["b"] and "00001.png" in summary.failed["b"]


def test_worker_processes_make_the_same_store(folder: Path) -> None:
    one = ClipStore(preprocess(settings(folder)).store)
    two = ClipStore(preprocess(settings(folder, output=str(folder / "two"), workers=2)).store)

    assert two.manifest.equals(one.manifest)
    for clip in one.clip_ids:
        np.testing.assert_array_equal(one.read(clip).observed, two.read(clip).observed)


def test_other_settings_are_refused(folder: Path) -> None:
    preprocess(settings(folder))
    with pytest.raises(ValueError, match=r"made with other settings: .*settings\.max_gap 3"):
        preprocess(settings(folder, max_gap=3))


def test_a_full_disk_leaves_nothing_half_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffmvr.clip_store import RecordingWriter

    write = RecordingWriter.add_frame
    calls = []

    def fill(self: RecordingWriter, *values: Any) -> Any:
        calls.append(1)
        if len(calls) > COUNT + 4:
            raise OSError(28, "No space left on device")
        return write(self, *values)

    with monkeypatch.context() as patch:
        patch.setattr(RecordingWriter, "add_frame", fill)
        with pytest.raises(OSError, match=r"No space left on device"):
            preprocess(settings(folder))
    assert ClipStore(folder / "store").clip_ids == ("S001_Rest_1s",)

    assert [result.name for result in preprocess(settings(folder)).done] == ["S002_Pain_1s"]
    assert len(ClipStore(folder / "store").clip_ids) == 2


def test_a_killed_run_is_completed_by_the_next(folder: Path) -> None:
    """Killed as soon as it has begun to write pictures."""
    long = disc_frames([(90.0, 70.0)] * 300)
    video = write_video(folder / "long.mp4", long)
    (folder / "long.csv").write_text(
        "frame,x0,y0,x1,y1\n" + "".join(f"{t},70,50,110,90\n" for t in range(300))
    )
    given = {
        "input": str(video),
        "output": str(folder / "store"),
        "boxes": str(folder / "long.csv"),
        "mask": "none",
        "size": "48",
        "fps": "null",
        "max_frames": "50",
        "sheets": "false",
    }
    command = [sys.executable, "-m", "diffmvr.preprocess", *(f"{k}={v}" for k, v in given.items())]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while run.poll() is None and time.monotonic() < deadline:
        if len(list((folder / "store").glob(".staging/*/JPEGImages/*/*.png"))) > 20:
            run.send_signal(signal.SIGKILL)
        time.sleep(0.005)
    assert run.wait() == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match=r"was never finished|is no clip store"):
        ClipStore(folder / "store")

    values: dict[str, Any] = {"mask": "none", "masks": None, "max_frames": 50}
    preprocess(settings(folder, input=str(video), boxes=given["boxes"], fps=None, **values))

    kept = ClipStore(folder / "store").manifest.filter(pl.col("frame").is_not_null())
    assert kept["source_frame"].to_list() == list(range(300))
    assert not list((folder / "store").glob(".staging/*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": ""}, "input: expected a recording or a folder, got none"),
        ({"output": ""}, "output: expected the store's folder, got none"),
        ({"input": "gone"}, "input: there is no file or folder gone"),
        ({"mask": "magic"}, "mask: expected one of"),
        ({"fps": "fast"}, "fps: expected a number from 0.001 to 1000 such as 20"),
        ({"workers": "0"}, "workers: expected a number in [1, 1024], got 0"),
        ({"masks": "gone"}, "masks: there is no file or folder gone"),
        ({"face": "mediapipe"}, "face: no face detector is installed: give landmarker=PATH"),
    ],
)
def test_mistakes_are_one_clear_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    changes: dict[str, str],
    message: str,
) -> None:
    given = {
        "input": str(folder / "videos"),
        "output": str(folder / "store"),
        "boxes": str(folder / "boxes"),
        "mask": "given",
        "masks": str(folder / "masks"),
    }
    line = ["preprocess", *(f"{k}={v}" for k, v in {**given, **changes}.items())]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stop:
        main()
    errors = capfd.readouterr().err
    assert stop.value.code == 2
    assert message in errors
    assert errors.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in errors
    assert not (folder / "store").exists()


@pytest.mark.skipif(not SHARED, reason="set DIFFMVR_SHARED to the folder of the real clips")
def test_a_real_face_is_steady_and_its_midline_found(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    summary = preprocess(
        PreprocessSettings(
            input=str(Path(str(SHARED)) / "data/faces/d19.mp4"),
            output=str(tmp_path / "store"),
            face="mediapipe",
            mask="none",
            size=128,
            fps="10",
            sheets=False,
        )
    )
    store = ClipStore(summary.store)
    (clip,) = store.clip_ids
    assert set(store.rows(clip)["axis_source"]) == {"landmarks"}
    crops = store.crops(clip)
    side = 128 / crops[:, 0, 0]
    centre = (64 - crops[:, :, 2]) / crops[:, [0, 1], [0, 1]]
    step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / side[0]
    assert np.median(step) < 0.01
