"""When frames are shown: own times are kept, and what cannot be kept is said, with a remedy."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from tests.helpers.recordings import moving_frames, retimed, video_times, write_video

from diffmvr.preprocessing.frame_source import Frame, FrameSource, VideoInfo
from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter

JITTER = (0, 33, 67, 101, 133, 166, 233, 267, 268, 301, 334, 367)
"""Milliseconds of a live recording, in which an average rate would put two frames at one time."""


def times_of(source: FrameSource) -> list[Fraction]:
    """Return the frames' times in seconds."""
    return [frame.pts * source.info.time_base for frame in source]


def with_times(folder: Path, times: Sequence[int], suffix: str = ".mkv") -> Path:
    """Write a video whose frames have these times in milliseconds."""
    frames = moving_frames(len(times), 32, 24)
    plain = write_video(folder / "plain.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    return retimed(plain, folder / f"timed{suffix}", times)


def test_avi_with_b_frames_is_shown_at_the_times_of_decoding(tmp_path: Path) -> None:
    frames = moving_frames(12)
    path = write_video(tmp_path / "c.avi", frames, codec="libx264", pix_fmt="yuv420p")
    times = [Fraction(index, 25) for index in range(12)]
    assert video_times(path)[0] != times, "what FFmpeg makes of such an AVI"

    source = open_frames(path)

    assert times_of(source) == times
    shown = np.stack([frame.image for frame in source]).astype(int)
    assert np.abs(shown - frames).mean() < 8, "in their own order"


@pytest.mark.parametrize(
    ("fps", "note"),
    [
        (None, "has no times of its own: 25 frames per second are assumed; give fps=RATE"),
        (Fraction(30), "has no times of its own: 30 frames per second are those of fps"),
    ],
)
def test_a_raw_stream_has_the_rate_that_is_given(
    tmp_path: Path, fps: Fraction | None, note: str
) -> None:
    path = write_video(tmp_path / "c.h264", moving_frames(8), codec="libx264", pix_fmt="yuv420p")

    source = open_frames(path, fps=fps)

    rate = fps or Fraction(25)
    assert times_of(source) == [index / rate for index in range(8)]
    assert source.info.frame_rate == rate
    assert any(note in line for line in source.info.notes)


def test_the_same_time_twice_moves_the_later_picture_by_less_than_half_a_step(
    tmp_path: Path,
) -> None:
    source = open_frames(with_times(tmp_path, (0, 40, 80, 120, 120, 200, 240)))

    times = times_of(source)
    assert times[:4] == [Fraction(t, 1000) for t in (0, 40, 80, 120)]
    assert Fraction(120, 1000) < times[4] < Fraction(140, 1000)
    assert times[5:] == [Fraction(200, 1000), Fraction(240, 1000)]
    assert source.info.notes == (
        "1 of 7 pictures have the same time as the one before and are shown up to 10.0 ms later",
    )


def test_many_pictures_of_one_time_all_have_room(tmp_path: Path) -> None:
    times = times_of(open_frames(with_times(tmp_path, (0, 1, 1, 1, 1, 1, 2, 3, 4))))

    assert len(times) == 9 and times == sorted(set(times))
    assert times[0] == 0 and times[6:] == [Fraction(t, 1000) for t in (2, 3, 4)]


def test_a_variable_rate_is_never_snapped_to_the_average_one(tmp_path: Path) -> None:
    path = with_times(tmp_path, JITTER)

    first = open_frames(path)
    assert times_of(first) == [Fraction(time, 1000) for time in JITTER]

    # What is written can be read again.
    for codec, name in (("ffv1", "again.mkv"), ("h264", "again.mp4"), ("h264", "more.mkv")):
        with VideoWriter(tmp_path / name, first.info, codec) as writer:
            for frame in first:
                writer.write(frame)
        assert times_of(open_frames(tmp_path / name)) == times_of(first)


def test_times_that_go_back_are_refused_with_a_remedy_that_works(tmp_path: Path) -> None:
    path = with_times(tmp_path, (0, 40, 80, 10, 160, 200))

    with pytest.raises(ValueError, match=r"time of frame 3 of .*timed\.mkv .* give fps=25 to show"):
        list(open_frames(path))

    source = open_frames(path, fps=Fraction(25))
    assert times_of(source) == [Fraction(index, 25) for index in range(6)]
    assert any("at 25 per second as fps tells" in note for note in source.info.notes)
    # Masks have no times that count.
    assert len(list(open_masks(path, source))) == 6


def test_a_gap_that_mp4_cannot_state_is_one_clear_line(tmp_path: Path) -> None:
    info = VideoInfo("long", 96, 72, Fraction(25), Fraction(1, 1_000_000))

    with (
        pytest.raises(ValueError, match=r"^output: frames of 96x72 cannot be written as h264"),
        VideoWriter(tmp_path / "out.mp4", info) as writer,
    ):
        for index, image in enumerate(moving_frames(3)):
            writer.write(Frame(index, index * 2**31, 0, image))


def test_a_gap_of_a_billion_ticks_is_one_clear_line_at_once(tmp_path: Path) -> None:
    path = with_times(tmp_path, (0, 40, 80, 80 + 10**9, 120 + 10**9))

    start = perf_counter()
    with pytest.raises(
        ValueError,
        match=r"^input: .*timed\.mkv shows nothing between 0\.080 s and "
        r"1000000\.080 s, .* damaged; give picture_rate=25 to show",
    ):
        open_frames(path, fps_name="picture_rate")
    assert perf_counter() - start < 20

    source = open_frames(path, fps=Fraction(25))
    assert times_of(source) == [Fraction(index, 25) for index in range(5)]
