"""An interrupted restoration of one recording goes on where it stopped."""

import json
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fresh import fresh_processes
from tests.helpers.killed import restore_folder
from tests.helpers.recordings import box_masks, moving_frames, write_pictures, write_video
from tests.helpers.tiny import build_tiny

from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.frame_stream import FrameAndMask, with_masks
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore

COUNT, PART, STOP = 22, 8, 19

MASKS = box_masks(COUNT, arrival=5)
MASKS[10:14] = 0

# One past frame: to mix a bank of them takes most of the time, and two tests below do.
PLAIN: dict[str, Any] = {"format": "png", "self_check": False, "past": {"select": "recent"}}

Command = Callable[..., RestoreSettings]


@pytest.fixture(scope="module")
def models(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, DiffMVRPipeline]:
    """A folder with a real model of random weights, and the same in memory."""
    folder = tmp_path_factory.mktemp("model")
    DiffMVRPipeline.from_components(build_tiny(frozen_parts)).save_pretrained(folder)
    return folder, DiffMVRPipeline.from_pretrained(folder)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording that is clear, hidden, clear in another light and hidden again; its masks."""
    folder = tmp_path_factory.mktemp("sources")
    frames = moving_frames(COUNT)
    frames[12:] -= frames[12:] // 8
    return write_video(folder / "in.mp4", frames), write_pictures(folder / "masks", 255 * MASKS)


def commands(
    outputs: Path,
    models: tuple[Path, DiffMVRPipeline],
    sources: tuple[Path, Path],
    patch: pytest.MonkeyPatch,
) -> Command:
    """Make settings, given the name of the output and what they are beside their defaults."""
    folder, pipeline = models
    source, mask = map(str, sources)
    patch.setattr("diffmvr.restore.load_pipeline", lambda *_: pipeline)
    patch.setattr("diffmvr.restoration.recording.PART_FRAMES", PART)
    patch.setattr("diffmvr.preprocessing.backends.shipped_detector", lambda task: None)
    patch.delenv("DIFFMVR_SHARED", raising=False)
    patch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)

    def settings(output: str, **options: Any) -> RestoreSettings:
        box = [18.0, 12.0, 78.0, 60.0]
        given = {"mask": mask, "weights": str(folder), "face_box": box, "window": 4}
        options = {**given, "threads": 1, "device": "cpu", **options}
        return RestoreSettings(source, str(outputs / output), **options)

    return settings


@pytest.fixture
def command(
    tmp_path: Path,
    models: tuple[Path, DiffMVRPipeline],
    sources: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    """Make settings whose outputs are this test's own."""
    return commands(tmp_path, models, sources, monkeypatch)


@pytest.fixture(scope="module")
def plain(
    models: tuple[Path, DiffMVRPipeline],
    sources: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What a restoration with ``PLAIN`` that nothing interrupts leaves."""
    with pytest.MonkeyPatch.context() as patch:
        settings = commands(tmp_path_factory.mktemp("plain"), models, sources, patch)
        return contents(restore(settings("whole", **PLAIN)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each call of the model restores."""
    made: list[int] = []
    call = DiffMVRPipeline.__call__

    def counting(self: Any, pixel_values: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(len(pixel_values))
        return call(self, pixel_values, *args, **kwargs)

    monkeypatch.setattr(DiffMVRPipeline, "__call__", counting)
    return made


def interrupt(settings: RestoreSettings, error: BaseException | None = None) -> None:
    """Restore until the second pass reads frame ``STOP``, and break off there."""

    def stopping(*args: Any, exact: bool = False) -> Iterator[FrameAndMask]:
        for frame, mask in with_masks(*args, exact=exact):
            if frame.index == STOP and not exact:
                raise error or KeyboardInterrupt
            yield frame, mask

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffmvr.restore.with_masks", stopping)
        with pytest.raises(type(error or KeyboardInterrupt())):
            restore(settings)


def contents(output: Path) -> dict[str, Any]:
    """Return every file of a result; of the report all but what tells of the interruption.

    Of a video the frames: a Matroska file has a random number, and x264 varies the last bits.
    """
    report = json.loads((output / "report.json").read_text())
    report["notes"] = [note for note in report["notes"] if "interrupted" not in note]
    # It holds a hash of the notes.
    seal = json.loads((output / "seal.json").read_text())
    del seal["report"]["notes"]
    files = [path for path in sorted(output.rglob("*")) if path.is_file()]
    assert all(".partial" not in path.parts for path in files)
    found: dict[str, Any] = {"report.json": report, "seal.json": seal}
    for path in files:
        if path.suffix == ".mkv":
            found[path.name] = [(frame.pts, frame.image.tobytes()) for frame in open_frames(path)]
        elif path.name not in found:
            found[path.name] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"format": "png", "past": {"select": "bank", "size": 2}}, None),
        (
            {"format": "ffv1", "past": {"select": "bank", "reach": "both", "size": 3}},
            OSError("the network is gone"),
        ),
    ],
)
def test_an_interrupted_restoration_goes_on_where_it_stopped_bit_for_bit(
    command: Command,
    calls: list[int],
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    error: BaseException | None,
) -> None:
    whole = contents(restore(command("whole", **options)))
    in_all = sum(calls)
    assert in_all > MASKS.any(axis=(1, 2)).sum(), "clear frames are tried, too"
    settings = command("out", **options)
    interrupt(settings, error)
    kept = Path(settings.output) / ".partial" / "kept"
    assert f"kept in {kept}" in caplog.text
    assert [path.name for path in sorted(kept.iterdir())] == [
        "000000000-000000007.zip",
        "000000008-000000015.zip",
        "facts.json",
    ]
    calls.clear()

    output = restore(settings)

    assert contents(output) == whole
    notes = json.loads((output / "report.json").read_text())["notes"]
    assert "an interrupted call went on after its first 16 frames" in notes
    assert sum(calls) == in_all - MASKS[:16].any(axis=(1, 2)).sum()


def test_frames_made_with_another_setting_are_not_taken(
    command: Command, plain: dict[str, Any], calls: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    interrupt(command("out", **PLAIN, seed=1))
    calls.clear()

    output = restore(command("out", **PLAIN))

    assert sum(calls) == MASKS.any(axis=(1, 2)).sum()
    assert contents(output) == plain
    assert "not used, since they were made with another seed" in caplog.text


def test_kept_frames_that_are_damaged_are_restored_anew(
    command: Command, plain: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    settings = command("out", **PLAIN)
    interrupt(settings)
    part = Path(settings.output) / ".partial" / "kept" / "000000008-000000015.zip"
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)

    assert contents(restore(settings)) == plain
    assert "8 frames are used: 000000008-000000015.zip is damaged" in caplog.text


def test_a_mistake_in_the_next_call_costs_no_frame(command: Command) -> None:
    settings = command("out", **PLAIN)
    interrupt(settings)
    kept = Path(settings.output) / ".partial" / "kept"
    before = sorted(kept.iterdir())
    with pytest.raises(ValueError, match="guide_scales"):
        restore(command("out", **PLAIN, guide_scales=[1.0]))
    interrupt(settings, ValueError("the recording is damaged"))
    assert sorted(kept.iterdir()) == before


def test_after_a_mistake_or_without_room_no_frame_is_kept(
    command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    settings = command("out", **PLAIN)
    interrupt(settings, ValueError("the recording is damaged"))
    assert not Path(settings.output).exists()

    settings = command("out", **PLAIN, keep_mib=0)
    interrupt(settings)
    assert not Path(settings.output).exists()

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr("diffmvr.restore.MEBIBYTE", 4000)
        settings = command("out", **PLAIN, keep_mib=1)
        interrupt(settings)
    assert "not kept for the case of an interruption: they have reached" in caplog.text
    kept = (Path(settings.output) / ".partial").rglob("*.zip")
    assert sum(path.stat().st_size for path in kept) <= 4000


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows kills in another way")
def test_a_recording_of_many_that_was_killed_goes_on_where_it_stopped(
    tmp_path: Path,
    models: tuple[Path, DiffMVRPipeline],
    calls: list[int],
) -> None:
    (tmp_path / "in").mkdir()
    for name, count in (("anna", 4), ("ben", COUNT)):
        write_video(tmp_path / "in" / f"{name}.mp4", moving_frames(count))
        write_pictures(tmp_path / "masks" / name, 255 * box_masks(count))
    settings = RestoreSettings(
        str(tmp_path / "in"),
        str(tmp_path / "whole"),
        mask=str(tmp_path / "masks"),
        weights=str(models[0]),
        window=4,
        threads=1,
        device="cpu",
        **PLAIN,
    )
    whole = restore_folder(settings, PART)
    settings = replace(settings, output=str(tmp_path / "out"))
    killed = fresh_processes().Process(target=restore_folder, args=(settings, PART, STOP))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    assert (tmp_path / "out" / "anna").is_dir() and not (tmp_path / "out" / "ben").exists()
    calls.clear()

    output = restore_folder(settings, PART)

    (said,) = json.loads((output / "ben" / "report.json").read_text(encoding="utf-8"))["notes"]
    # Frames are read ahead: it may have been killed before the second part ended, or after.
    kept = next(k for k in (PART, 2 * PART) if said.endswith(f"went on after its first {k} frames"))
    assert sum(calls) == box_masks(COUNT)[kept:].any(axis=(1, 2)).sum()
    for name in ("anna", "ben"):
        assert contents(output / name) == contents(whole / name)
    left = [path.name for path in (output / ".shards").rglob("*")]
    assert "ben" not in left and "kept" not in left
