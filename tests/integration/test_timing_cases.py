"""Recordings whose times, sound or tracks were lost: kept in each format, or a note that helps."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from diffmvr.preprocessing.video_io import open_frames

SHARED = os.environ.get("DIFFMVR_SHARED")
CASES = Path(SHARED or "", "cases")
pytestmark = pytest.mark.skipif(
    not SHARED, reason="the cases are not in the repository: set DIFFMVR_SHARED to their folder"
)
FORMATS = ("mp4", "ffv1", "png")
JITTER = (0, 33, 67, 101, 133, 166, 233, 267, 268, 301, 334, 367)


def times_of(path: Path, **options: Any) -> list[Fraction]:
    """Return when the frames are shown, in seconds from the first."""
    source = open_frames(path, **options)
    times = [frame.pts * source.info.time_base for frame in source]
    return [time - times[0] for time in times]


def heard(path: Path, track: int = 0) -> tuple[Fraction, np.ndarray]:
    """Return when a track of sound begins, in seconds, and what a player plays of it."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=track))
        start = frames[0].pts * frames[0].time_base
        return start, np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def sound_after_picture(pictures: Path, sound: Path) -> float:
    """Return how many seconds sound begins after the pictures; pictures in a folder begin at 0."""
    first = Fraction(0)
    if pictures.is_file():
        with av.open(str(pictures)) as container:
            frame = next(container.decode(video=0))
            first = frame.pts * frame.time_base
    return float(heard(sound)[0] - first)


def check_again(result: Any, count: int) -> None:
    """Require that what was written can be read."""
    assert len(list(open_frames(result.path))) == count


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_sound_track_without_decoder_is_left_out_with_a_note(
    restored: Any, file_format: str
) -> None:
    result = restored(CASES / "sound_track_without_decoder.mov", file_format)

    check_again(result, 16)
    assert "audio track 2 (unknown codec) is left out" in result.notes
    sound = result.folder / result.names.get("audio", result.path.name)
    with av.open(str(sound)) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]


def test_without_audio_its_tracks_are_not_looked_at(
    restored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the audio was looked at")

    for name in ("copy_audio", "is_trimmed", "plan_audio"):
        monkeypatch.setattr(f"diffmvr.restoration.output.{name}", refuse)

    result = restored(CASES / "sound_track_without_decoder.mov", "mp4", audio=False)

    check_again(result, 16)
    assert "audio" not in result.notes


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_edit_list_leaves_what_a_player_shows(restored: Any, file_format: str) -> None:
    source = CASES / "edit_list.mp4"
    result = restored(source, file_format)

    assert times_of(result.path) == times_of(source) == [Fraction(k, 25) for k in range(17)]
    sound = result.folder / result.names.get("audio", result.path.name)
    _, samples = heard(sound)
    _, original = heard(source)
    # Matroska, which ffv1 needs, cannot begin within a packet, and says so.
    more = samples.shape[1] - original.shape[1]
    assert more == (546 if file_format == "ffv1" else 0)
    assert ("the sound begins 12 ms earlier" in result.notes) == (file_format == "ffv1")
    np.testing.assert_allclose(samples[:, more + 1024 :], original[:, 1024:], atol=1e-3)
    offset = sound_after_picture(result.path, sound) + more / 44_100
    assert offset == pytest.approx(sound_after_picture(source, source), abs=0.001)


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_avi_with_b_frames_is_restored_in_order(restored: Any, file_format: str) -> None:
    result = restored(CASES / "bframes.avi", file_format)

    assert times_of(result.path) == [Fraction(k, 25) for k in range(20)]
    before = [frame.image for frame in open_frames(CASES / "bframes.avi")]
    after = [frame.image for frame in open_frames(result.path)]
    for k in range(18):
        error = [np.abs(after[k].astype(int) - image).mean() for image in before]
        assert error[k] == min(error), "frame by frame, as nothing is hidden before the last two"
    with av.open(str(result.folder / result.names.get("audio", result.path.name))) as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp3")


def test_a_raw_stream_has_25_frames_a_second_or_those_that_are_given(restored: Any) -> None:
    for file_format in FORMATS:
        result = restored(CASES / "raw.h264", file_format)
        assert times_of(result.path) == [Fraction(k, 25) for k in range(20)]
        assert "25 frames per second are assumed; give fps=RATE" in result.notes

    result = restored(CASES / "raw.h264", "png", fps="50")
    assert "50 frames per second are those of fps" in result.notes
    assert "pictures have no times: give fps=50 to read them again" in result.notes
    assert times_of(result.path, fps=Fraction(50)) == [Fraction(k, 50) for k in range(20)]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_time_twice_is_restored_with_a_note(restored: Any, file_format: str) -> None:
    result = restored(CASES / "same_time_twice.mkv", file_format)

    assert "1 of 12 pictures have the same time as the one before" in result.notes
    check_again(result, 12)
    if file_format == "png":
        assert "pictures have no times: those of the frames, which vary" in result.notes
    else:
        times = times_of(result.path)
        assert times[5] == Fraction(1, 5) and Fraction(1, 5) < times[6] < Fraction(22, 100)
        assert times[7] == Fraction(28, 100)


def test_the_times_of_a_live_recording_are_kept_and_can_be_read_again(restored: Any) -> None:
    expected = [Fraction(time, 1000) for time in JITTER]
    for file_format in ("mp4", "ffv1"):
        result = restored(CASES / "jittery_live.webm", file_format)
        assert times_of(result.path) == expected
    assert times_of(restored(result.path, "ffv1").path) == expected, "its own output again"

    result = restored(CASES / "jittery_live.webm", "png")
    assert (
        "pictures have no times: those of the frames, which vary, are in report.json; "
        "format=mp4 keeps them" in result.notes
    )


@pytest.mark.parametrize("file_format", FORMATS)
def test_languages_and_the_default_track_are_kept(restored: Any, file_format: str) -> None:
    result = restored(CASES / "two_languages.mov", file_format)

    with av.open(str(result.folder / result.names.get("audio", result.path.name))) as container:
        first, second = container.streams.audio
        assert first.language in (None, "und") and second.language == "eng"
        default = av.stream.Disposition.default
        assert not first.disposition & default and second.disposition & default
    assert "other tracks of the input are left out: subtitle, data" in result.notes
