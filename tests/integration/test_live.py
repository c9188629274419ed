"""``python -m diffmvr.live``: the walk of ``restore``, over frames that are read once."""

import errno
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.detectors import ColourBackends, disc_frames
from tests.helpers.recordings import (
    FramesInMemory,
    MasksInMemory,
    box_masks,
    moving_frames,
    write_pictures,
    write_video,
)
from tests.helpers.tiny import build_tiny

from diffmvr.files import read_json
from diffmvr.page.camera import HandedFrames, HandingBack
from diffmvr.page.handed import read_frame, write_frame
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.restoration.live.run import DISK_IS_FULL, LiveRun
from diffmvr.restoration.live.settings import LiveSettings
from diffmvr.restoration.live.walk import restore_live
from diffmvr.restoration.opening import (
    build_restorer,
    found_mask_cleaning,
    open_given_masks,
    open_scanner,
)
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore

COUNT = 10
BOX = [18.0, 12.0, 78.0, 60.0]


@pytest.fixture(scope="module")
def pipeline(frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> DiffMVRPipeline:
    """A real model of random weights."""
    folder = tmp_path_factory.mktemp("model")
    DiffMVRPipeline.from_components(build_tiny(frozen_parts)).save_pretrained(folder)
    loaded = DiffMVRPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(autouse=True)
def _no_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffmvr.preprocessing.backends.shipped_detector", lambda task: None)
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    monkeypatch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)


def walked(settings: RestoreSettings, pipeline: DiffMVRPipeline, lookahead: int) -> list[Any]:
    """Restore a file live, without a clock."""
    frames = open_frames(Path(settings.input))
    masks = open_given_masks(settings, frames)
    box = None if settings.face_box is None else np.array(settings.face_box)
    scanner, _ = open_scanner(settings, frames, masks is not None, box, None)
    _, restorer = build_restorer(settings, pipeline, {}, ())
    return list(
        restore_live(
            *(with_masks(frames, masks), frames.info, scanner, restorer, pipeline.resolution),
            lookahead=lookahead,
            cleaning=found_mask_cleaning(settings.detect),
        )
    )


def given(folder: Path) -> RestoreSettings:
    """A face in one place, with masks."""
    source = write_video(folder / "in.mkv", moving_frames(COUNT))
    masks = write_pictures(folder / "masks", 255 * box_masks(COUNT))
    return RestoreSettings(
        *(str(source), str(folder / "out"), str(masks)), face_box=BOX, format="ffv1"
    )


def found(folder: Path) -> RestoreSettings:
    """A face that moves, that is hidden, that leaves and comes back: all of it is found."""
    centres = [(80.0 + 2 * t, 70.0) for t in range(14)]
    source = write_video(folder / "in.mkv", disc_frames(centres, hidden=set(range(5, 10))))
    return RestoreSettings(str(source), str(folder / "out"), format="ffv1")


@pytest.mark.parametrize("make", [given, found])
def test_with_a_look_ahead_as_long_as_the_recording_it_is_restore_bit_for_bit(
    tmp_path: Path,
    pipeline: DiffMVRPipeline,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], RestoreSettings],
) -> None:
    backends = ColourBackends()
    if make is found:
        monkeypatch.setattr("diffmvr.restoration.opening.choose_backends", lambda **_: backends)
    settings = make(tmp_path)
    restored = list(open_frames(restore(settings, pipeline) / "restored.mkv"))

    frames = walked(settings, pipeline, lookahead=len(restored))
    causal = walked(settings, pipeline, lookahead=0)

    for live_frame, frame in zip(frames, restored, strict=True):
        np.testing.assert_array_equal(live_frame.restored.image, frame.image)
    assert any(frame.record.restored for frame in causal)
    for frame in causal:
        outside = frame.mask == 0
        np.testing.assert_array_equal(frame.restored.image[outside], frame.observed.image[outside])
        assert frame.record.restored == bool(frame.mask.any())
        assert all(one.age > 0 for one in frame.record.references), "only what was"


@pytest.mark.parametrize("lookahead", [0, 3, 100])
def test_no_frame_waits_for_more_than_the_look_ahead(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch, lookahead: int
) -> None:
    read: list[int] = []
    monkeypatch.setattr("diffmvr.restoration.live.walk.ReadAhead", OneThread)
    settings = given(tmp_path)
    frames = open_frames(Path(settings.input))
    scanner, _ = open_scanner(settings, frames, True, np.array(BOX), None)
    _, restorer = build_restorer(settings, pipeline, {}, ())

    def counted() -> Any:
        for pair in with_masks(frames, open_given_masks(settings, frames)):
            read.append(pair[0].index)
            yield pair

    shown = restore_live(
        counted(), frames.info, scanner, restorer, pipeline.resolution, lookahead=lookahead
    )
    for frame in shown:
        assert len(read) - 1 - frame.restored.index <= lookahead


def test_memory_does_not_grow_with_the_run(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    settings, most = given(tmp_path), []
    for count in (40, 160):
        masks = np.zeros((count, 72, 96), np.uint8)
        masks[::20, 24:48, 30:50] = 1
        frames = FramesInMemory(np.stack([*moving_frames(20)] * (count // 20)))
        scanner, _ = open_scanner(settings, frames, True, np.array(BOX), None)
        _, restorer = build_restorer(settings, pipeline, {}, ())
        pairs = with_masks(frames, MasksInMemory(masks))
        for _ in restore_live(
            *(pairs, frames.info, scanner, restorer, pipeline.resolution), lookahead=2
        ):
            pass
        most.append(frames.most_alive)

    assert most[1] <= most[0] + 2 and most[1] < 30, "frames that are alive at the same time"


class OneThread:
    """``ReadAhead`` that reads nothing ahead."""

    def __init__(self, items: Any, ahead: int) -> None:
        self._items = items

    def __iter__(self) -> Any:
        return iter(self._items)

    def close(self) -> None:
        self._items.close()


def settings_of(folder: Path, **options: Any) -> LiveSettings:
    one = given(folder)
    return LiveSettings(one.input, one.output, one.mask, face_box=BOX, pace="none", **options)


def test_a_run_writes_a_film_and_what_was_counted(
    tmp_path: Path, pipeline: DiffMVRPipeline
) -> None:
    report = LiveRun(settings_of(tmp_path, concat=True), pipeline).run()

    assert report == read_json(tmp_path / "out" / "live.json")
    assert (report["captured"], report["dropped"], report["shown"]) == (COUNT, 0, COUNT)
    assert report["restored"] == COUNT - 3 and report["ended"] == "the source ended"
    assert 0 < report["latency_p50"] <= report["latency_p95"]
    assert report["cpu_seconds_a_frame"]["restore"] > 0 < report["cpu_seconds_a_frame"]["find"]
    assert str(tmp_path) not in (tmp_path / "out" / "live.json").read_text()
    film = list(open_frames(tmp_path / "out" / "restored.mkv"))
    assert len(film) == COUNT and film[0].image.shape == (72, 192, 3)
    corner = film[0].image[:20, 140:]
    assert corner.min() < 40 and corner.max() > 180, "the latency stands there"


def test_ctrl_c_ends_it_and_keeps_what_there_is(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = VideoWriter.write, []

    def interrupting(self: VideoWriter, frame: Any) -> None:
        write(self, frame)
        written.append(frame.index)
        if len(written) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(VideoWriter, "write", interrupting)

    report = LiveRun(settings_of(tmp_path), pipeline).run()

    assert report["ended"] == "interrupted"
    assert len(list(open_frames(tmp_path / "out" / "restored.mkv"))) == 4


def test_a_full_disk_ends_it_in_one_line_and_keeps_what_there_is(
    tmp_path: Path,
    pipeline: DiffMVRPipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    encode = VideoWriter._encode

    def full(self: VideoWriter, picture: Any) -> None:
        if picture is not None and picture.pts >= 200:
            raise ValueError("output: cannot be written") from OSError(errno.ENOSPC, "full")
        encode(self, picture)

    monkeypatch.setattr(VideoWriter, "_encode", full)
    run = LiveRun(settings_of(tmp_path), pipeline)

    assert run.run()["ended"] == DISK_IS_FULL
    kept = list(open_frames(tmp_path / "out" / "restored.mkv"))
    assert 0 < len(kept) == run.shown < COUNT


def test_a_disk_that_is_full_when_the_film_is_closed_is_told_as_well(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg hands over late what it has: a small film meets a full disk at its end."""
    leave = VideoWriter.__exit__

    def full(self: VideoWriter, *args: Any) -> None:
        leave(self, *args)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(VideoWriter, "__exit__", full)

    assert LiveRun(settings_of(tmp_path), pipeline).run()["ended"] == DISK_IS_FULL


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lookahead": -1}, "lookahead: .*-1"),
        ({"pace": "slow"}, "pace: expected one of camera, none, got 'slow'"),
        ({"waiting": 0}, "waiting: .*0"),
        ({"past": {"reach": "both"}}, "past.reach: what comes later is not known live"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LiveSettings("a.mp4", "out", **options)


def test_a_window_without_a_screen_is_told(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    one = given(tmp_path)
    settings = LiveSettings(one.input, "window", one.mask, face_box=BOX, pace="none")
    with pytest.raises(ValueError, match="output: window needs a screen"):
        LiveRun(settings, pipeline).run()


def test_frames_that_the_page_hands_in_go_back_restored(
    tmp_path: Path, pipeline: DiffMVRPipeline
) -> None:
    settings = replace(settings_of(tmp_path, waiting=1000), input="-", output="-")
    coming, going = io.BytesIO(), io.BytesIO()
    images = moving_frames(COUNT)
    for number, image in enumerate(images):
        write_frame(coming, number, image)
    coming.seek(0)
    report = LiveRun(settings, pipeline, source=HandedFrames(coming), sink=HandingBack(going)).run()

    assert (report["shown"], report["restored"]) == (COUNT, COUNT - 3)
    going.seek(0)
    for number, (image, mask) in enumerate(zip(images, box_masks(COUNT), strict=True)):
        assert (back := read_frame(going)) is not None and back[0] == number
        assert np.array_equal(back[1][mask == 0], image[mask == 0])
        assert not mask.any() or (back[1][mask != 0] != image[mask != 0]).any()
