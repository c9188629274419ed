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

from diffmvr.preprocessing.audio import copy_audio, is_trimmed, plain_title, plan_audio
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import PngWriter, VideoWriter

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}


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

    heard = target.endswith(".mkv")
    assert len(audio_packets(original, heard)) > 40
    assert audio_packets(path) == audio_packets(original, heard)


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

    assert audio_packets(tmp_path / "audio.mka") == audio_packets(original, heard=True)


def test_the_first_container_that_holds_the_audio_is_chosen(tmp_path: Path) -> None:
    for name, audio, suffix in (
        ("silent.mp4", None, ".mp4"),
        ("aac.mp4", "aac", ".mp4"),
        ("pcm.mkv", "pcm_u8", ".mkv"),
        ("law.mov", "pcm_mulaw", ".mov"),
    ):
        source = write_video(tmp_path / name, moving_frames(10), audio=audio)

        plan = plan_audio(CONTAINERS, source)

        assert (plan.suffix, plan.kept) == (suffix, int(audio is not None))
        said = any(f"does not fit into .mp4: {suffix} is written" in note for note in plan.notes)
        assert said == (suffix != ".mp4")


def test_audio_that_does_not_fit_is_left_out_and_named(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mov", moving_frames(10), audio="pcm_mulaw")

    plan = plan_audio({".mkv": "matroska"}, source)

    assert plan.kept == 0
    assert plan.notes == (
        "audio track 1 (pcm_mulaw) is left out: .mkv cannot hold it; convert it to AAC first to "
        "keep it",
    )
    # The remedy.
    with av.open(str(source)) as opened, av.open(str(tmp_path / "aac.mov"), "w") as output:
        copy, encoder = None, output.add_stream("aac", rate=48_000)
        copy = output.add_stream_from_template(opened.streams.video[0])
        for packet in opened.demux():
            if packet.stream.type == "audio":
                output.mux([p for frame in packet.decode() for p in encoder.encode(frame)])
            elif packet.size:
                packet.stream = copy
                output.mux_one(packet)
        output.mux(encoder.encode(None))
    assert plan_audio({".mkv": "matroska"}, tmp_path / "aac.mov").kept == 1


def described(folder: Path) -> Path:
    """Write a video with two audio tracks; the second is the default one, and English."""
    packets = write_video(folder / "one.mov", moving_frames(30), audio="aac")
    with av.open(str(packets)) as opened, av.open(str(folder / "two.mkv"), "w") as output:
        sound = opened.streams.audio[0]
        video = output.add_stream_from_template(opened.streams.video[0])
        tracks = [output.add_stream_from_template(sound) for _ in range(2)]
        tracks[0].metadata.update(language="fra", title="Mother: Jane Doe")
        tracks[0].disposition = av.stream.Disposition.comment
        tracks[1].metadata.update(language="eng", title="Camera mic 2")
        tracks[1].disposition = av.stream.Disposition.default
        for packet in opened.demux():
            if packet.size and packet.stream.type == "video":
                packet.stream = video
                output.mux_one(packet)
            elif packet.size and not packet.is_discard:
                for track in tracks:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts = packet.pts, packet.dts
                    copy.duration, copy.time_base = packet.duration, packet.time_base
                    copy.stream = track
                    output.mux_one(copy)
    return folder / "two.mkv"


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "h264"), (".mkv", "ffv1"), (".mov", "h264")]
)
def test_languages_roles_and_plain_titles_of_audio_are_kept(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    source = described(tmp_path)

    path = rewrite(source, tmp_path / f"out{suffix}", codec)

    with av.open(str(path)) as container:
        first, second = container.streams.audio
        assert (first.language, second.language) == ("fra", "eng")
        default = av.stream.Disposition.default
        assert not first.disposition & default and second.disposition & default
        assert "Jane" not in str([first.metadata, second.metadata])
        assert plain_title(second) == "Camera mic 2" and not plain_title(first)
        if suffix != ".mov":
            assert first.disposition & av.stream.Disposition.comment
    plan = plan_audio(CONTAINERS, source)
    assert any(note.startswith("1 titles of audio tracks are left out") for note in plan.notes)


def test_sound_that_an_edit_list_cuts_off_is_not_heard_again(tmp_path: Path) -> None:
    """Every AAC file of FFmpeg begins with a packet that players leave out."""
    source = write_video(tmp_path / "in.mp4", moving_frames(30), audio="aac")
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        assert packets[0].is_discard

    heard = audio_packets(source, heard=True)
    assert len(heard) == len(packets) - 1
    assert audio_packets(rewrite(source, tmp_path / "out.mkv", "ffv1")) == heard
    copy_audio(source, tmp_path / "audio.mka")
    assert audio_packets(tmp_path / "audio.mka") == heard
    assert is_trimmed(source) and not is_trimmed(tmp_path / "out.mkv")
    copy_audio(source, tmp_path / "audio.m4a", "mp4")
    assert is_trimmed(tmp_path / "audio.m4a")


def test_frames_less_than_a_millisecond_apart_can_be_read_from_matroska(tmp_path: Path) -> None:
    unit = Fraction(1, 90000)
    source = write_video(
        tmp_path / "in.mp4",
        moving_frames(6),
        times=lambda t: (0, 20, 40, 60, 9000, 9010)[t],
        time_base=unit,
    )
    frames = open_frames(source)
    with VideoWriter(tmp_path / "out.mkv", frames.info, "ffv1") as writer:
        for frame in frames:
            writer.write(frame)

    times, _ = video_times(tmp_path / "out.mkv")
    assert len(times) == 6 and times == sorted(set(times))
    assert len(list(open_frames(tmp_path / "out.mkv"))) == 6
    before = [frame.pts * unit for frame in frames]
    moved = max(abs(a - b) for a, b in zip(before, times, strict=True))
    assert writer.largest_shift == moved < Fraction(3, 1000)


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
