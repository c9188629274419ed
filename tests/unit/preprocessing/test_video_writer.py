"""Writing recordings: exact pixels where promised, the input's times, untouched audio."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.helpers.recordings import (
    NTSC,
    audio_packets,
    moving_frames,
    video_times,
    write_video,
)

from diffmvr.preprocessing.audio import copy_audio, suffix_for
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import PngWriter, VideoWriter

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}


def rewrite(source: Path, path: Path, codec: str) -> Path:
    """Write a recording's own frames again."""
    frames = open_frames(source)
    audio = source if frames.info.audio else None
    with VideoWriter(path, frames.info, codec, audio) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("size", [(96, 72), (97, 73), (33, 50)])
def test_ffv1_keeps_every_byte(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = moving_frames(6, *size)
    source = write_video(tmp_path / "in.mp4", frames, NTSC)

    path = rewrite(source, tmp_path / "out.mkv", "ffv1")

    back = np.stack([frame.image for frame in open_frames(path)])
    np.testing.assert_array_equal(back, frames)
    assert video_times(path)[1] == NTSC


@pytest.mark.parametrize(("size", "pix_fmt"), [((96, 72), "yuv420p"), ((97, 73), "yuv444p")])
def test_h264_is_close_and_keeps_the_size(
    tmp_path: Path, size: tuple[int, int], pix_fmt: str
) -> None:
    frames = moving_frames(6, *size)
    source = write_video(tmp_path / "in.mp4", frames)

    path = rewrite(source, tmp_path / "out.mp4", "h264")

    back = np.stack([frame.image for frame in open_frames(path)])
    assert np.abs(back.astype(int) - frames).mean() < 3
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == pix_fmt


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(15, 2)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_and_rate_are_the_inputs(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    source = write_video(tmp_path / f"in{suffix}", moving_frames(11), rate)

    times, average = video_times(rewrite(source, tmp_path / "out.mp4", "h264"))

    assert times == [index / rate for index in range(11)]
    assert average == rate


def test_variable_rates_are_kept(tmp_path: Path) -> None:
    unit = Fraction(1, 30000)
    source = write_video(
        tmp_path / "in.mp4", moving_frames(9), times=lambda t: 100 * t * t + 7 * t, time_base=unit
    )

    path = rewrite(source, tmp_path / "out.mp4", "h264")

    assert video_times(path)[0] == video_times(source)[0]


def test_the_pixels_aspect_is_kept(tmp_path: Path) -> None:
    source = open_frames(write_video(tmp_path / "in.mp4", moving_frames(2)))
    info = source.info.__class__(**{**vars(source.info), "pixel_aspect": Fraction(15, 16)})
    with VideoWriter(tmp_path / "out.mp4", info) as writer:
        for frame in source:
            writer.write(frame)

    assert open_frames(tmp_path / "out.mp4").info.pixel_aspect == Fraction(15, 16)


@pytest.mark.parametrize(
    ("source", "audio", "target"),
    [
        ("in.mp4", "aac", "out.mp4"),
        ("in.mp4", "aac", "out.mkv"),
        ("in.mkv", "libopus", "out.mp4"),
        ("in.mov", "aac", "out.mp4"),
    ],
)
def test_audio_packets_are_copied_unchanged(
    tmp_path: Path, source: str, audio: str, target: str
) -> None:
    original = write_video(tmp_path / source, moving_frames(30), audio=audio)

    path = rewrite(original, tmp_path / target, "h264")

    assert len(audio_packets(original)) > 40
    assert audio_packets(path) == audio_packets(original)


def test_audio_and_video_stay_in_step(tmp_path: Path) -> None:
    original = write_video(tmp_path / "in.mp4", moving_frames(30), audio="aac")
    path = rewrite(original, tmp_path / "out.mp4", "h264")

    def starts(file: Path) -> list[Fraction]:
        with av.open(str(file)) as container:
            sound = container.streams.audio[0]
            return [p.pts * p.time_base for p in container.demux(sound) if p.size]

    assert starts(path) == starts(original)
    assert video_times(path)[0] == video_times(original)[0]


def test_audio_can_be_copied_alone(tmp_path: Path) -> None:
    original = write_video(tmp_path / "in.mp4", moving_frames(30), audio="aac")

    copy_audio(original, tmp_path / "audio.mka")

    assert audio_packets(tmp_path / "audio.mka") == audio_packets(original)


def test_the_first_container_that_holds_the_audio_is_chosen(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.mp4", moving_frames(2))
    aac = write_video(tmp_path / "aac.mp4", moving_frames(10), audio="aac")
    pcm = write_video(tmp_path / "pcm.mkv", moving_frames(10), audio="pcm_u8")

    assert suffix_for(CONTAINERS, silent) == ".mp4"
    assert suffix_for(CONTAINERS, aac) == ".mp4"
    assert suffix_for(CONTAINERS, pcm) == ".mkv"


def test_audio_that_fits_nowhere_is_named(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mov", moving_frames(10), audio="pcm_mulaw")

    with pytest.raises(ValueError, match=r"audio: the codec pcm_mulaw of .*in\.mov .*audio=false"):
        suffix_for(CONTAINERS, source)


def test_png_keeps_every_byte(tmp_path: Path) -> None:
    frames = moving_frames(3, 97, 73)
    with PngWriter(tmp_path / "frames") as writer:
        for index, image in enumerate(frames):
            writer.write(Frame(index, index, 1, image))

    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == ["00000.png", "00001.png", "00002.png"]
    for name, image in zip(names, frames, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "frames" / name)), image)


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    info = open_frames(write_video(tmp_path / "in.mp4", moving_frames(2))).info
    frame = Frame(0, 0, 1, np.zeros((10, 10, 3), np.uint8))

    with (
        pytest.raises(ValueError, match=r"image: expected shape \(72, 96, 3\), got \(10, 10, 3\)"),
        VideoWriter(tmp_path / "out.mp4", info) as writer,
    ):
        writer.write(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "divx"}, r"codec: expected one of \['h264', 'ffv1'\], got 'divx'"),
        ({"crf": 99}, r"crf: expected a number in \[0, 51\], got 99"),
    ],
)
def test_unknown_settings_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    info = open_frames(write_video(tmp_path / "in.mp4", moving_frames(2))).info

    with pytest.raises(ValueError, match=message):
        VideoWriter(tmp_path / "out.mp4", info, **options)
