"""Reading recordings: which frames, how they are turned, when they are shown."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.helpers.recordings import NTSC, moving_frames, write_pictures, write_video

from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.preprocessing.video_io import open_frames


def read(path: Path, **options: object) -> tuple[np.ndarray, list[Fraction]]:
    """Return all frames and their times in seconds."""
    source = open_frames(path, **options)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    times = [frame.pts * source.info.time_base for frame in frames]
    return np.stack([frame.image for frame in frames]), times


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("size", [(96, 72), (97, 73)])
def test_every_container_gives_the_stored_pixels(
    tmp_path: Path, suffix: str, size: tuple[int, int]
) -> None:
    frames = moving_frames(5, *size)
    path = write_video(tmp_path / f"clip{suffix}", frames)

    source = open_frames(path)
    once, twice = read(path)[0], np.stack([frame.image for frame in source])

    assert (source.info.width, source.info.height) == size
    np.testing.assert_array_equal(once, frames)
    np.testing.assert_array_equal(twice, frames)


def test_webm_is_read(tmp_path: Path) -> None:
    frames = moving_frames(5)
    path = write_video(tmp_path / "c.webm", frames, codec="libvpx-vp9", pix_fmt="yuv420p")

    assert np.abs(read(path)[0].astype(int) - frames).mean() < 8


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_frames_come_upright(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    stored = moving_frames(3, 24, 16)
    path = write_video(tmp_path / "c.mp4", stored, rotation=(degrees, mirrored))

    shown = np.rot90(stored, degrees // 90, axes=(1, 2))
    shown = shown[:, :, ::-1] if mirrored else shown

    info = open_frames(path).info
    np.testing.assert_array_equal(read(path)[0], shown)
    assert (info.height, info.width) == shown.shape[1:3]
    flagged = (degrees, mirrored) != (0, False)
    assert any("rotation flag" in note for note in info.notes) == flagged


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), "ITU709"), ((320, 240), "ITU601")])
def test_unmarked_colours_are_those_of_the_size(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    path = tmp_path / "c.mp4"
    colour = np.full((size[1], size[0], 3), (200, 60, 30), np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(colour, "rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG"
        )
        output.mux(stream.encode(picture))
        output.mux(stream.encode(None))

    np.testing.assert_allclose(read(path)[0][0, 5, 5], colour[0, 0], atol=3)


def test_fractional_rates_are_exact(tmp_path: Path) -> None:
    path = write_video(tmp_path / "c.mp4", moving_frames(7), NTSC)

    assert open_frames(path).info.frame_rate == NTSC
    assert read(path)[1] == [index / NTSC for index in range(7)]


def test_variable_rates_keep_their_times(tmp_path: Path) -> None:
    unit = Fraction(1, 90000)
    path = write_video(
        tmp_path / "c.mp4", moving_frames(6), times=lambda t: 400 * t * t + 77 * t, time_base=unit
    )

    assert read(path)[1] == [(400 * t * t + 77 * t) * unit for t in range(6)]


def test_matroska_rounding_is_undone_where_the_rate_is_constant(tmp_path: Path) -> None:
    path = write_video(tmp_path / "c.mkv", moving_frames(20), NTSC)

    assert read(path)[1] == [index / NTSC for index in range(20)]


def test_matroska_of_variable_rate_keeps_its_milliseconds(tmp_path: Path) -> None:
    unit = Fraction(1, 1000)
    path = write_video(
        tmp_path / "c.mkv", moving_frames(6), times=lambda t: 100 * t + 7 * t * t, time_base=unit
    )

    assert read(path)[1] == [(100 * t + 7 * t * t) * unit for t in range(6)]


def test_non_square_pixels_are_known(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(15, 16)
        output.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        output.mux(stream.encode(None))

    assert open_frames(path).info.pixel_aspect == Fraction(15, 16)


def cut(path: Path, share: float = 0.5) -> Path:
    """Keep the first part of a file only."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.fixture
def cut_mp4(tmp_path: Path) -> Path:
    """An mp4 whose index is whole and whose second half is missing."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 72, 96, 3), dtype=np.uint8)
    return cut(write_video(tmp_path / "cut.mp4", noise, options={"movflags": "faststart"}))


def test_a_file_that_is_cut_off_is_refused_before_its_frames_are_read(
    cut_mp4: Path, tmp_path: Path
) -> None:
    message = r"cut\.mp4 is cut off: \d+ frames .* promises 30; .*fetch"
    with pytest.raises(ValueError, match=message):
        open_frames(cut_mp4)
    with pytest.raises(ValueError, match=message):
        open_frames(cut_mp4, fps=Fraction(10))
    # In the middle of the last picture.
    noise = np.random.default_rng(0).integers(0, 256, (9, 72, 96, 3), dtype=np.uint8)
    path = write_video(tmp_path / "last.mp4", noise, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"last\.mp4 is cut off: 8 frames .* promises 9;"):
        open_frames(path)


def test_the_rest_of_a_cut_file_is_read_if_allowed(cut_mp4: Path) -> None:
    assert 5 < len(list(open_frames(cut_mp4, allow_truncated=True))) < 25


def test_a_damaged_picture_is_not_passed_off_as_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "c.mp4", moving_frames(12), codec="libx264", pix_fmt="yuv420p")
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][5]
        start, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    for place in range(start + size // 3, start + size // 2):
        content[place] ^= 0x5A
    path.write_bytes(bytes(content))

    with pytest.raises(ValueError, match=r"frame \d+ of .*c\.mp4 is damaged, .* allow_truncated"):
        list(open_frames(path))
    assert len(list(open_frames(path, allow_truncated=True))) == 12
    assert "is damaged, and others may be" in caplog.text


def test_a_matroska_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 72, 96, 3), dtype=np.uint8)
    path = cut(write_video(tmp_path / "c.mkv", noise, codec="ffv1", pix_fmt="bgr0"))

    with pytest.raises(ValueError, match=r"\d+ frames could be read, .* promises 1\.200 s"):
        open_frames(path)


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "c.mp4", moving_frames(10)))

    with pytest.raises(ValueError, match=r"c\.mp4 is not a video .* may be cut off"):
        open_frames(path)


def test_an_edit_list_is_no_damage(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", moving_frames(30), codec="libx264", pix_fmt="yuv420p"
    )
    path = tmp_path / "trimmed.mp4"
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(whole)) as source, av.open(str(path), "w", container_options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        shift = int(Fraction(10, 25) / source.streams.video[0].time_base)
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                out.mux_one(packet)

    assert len(list(open_frames(path))) == 20


@pytest.mark.parametrize("content", [b"", b"hello world, this is no video" * 50])
def test_what_is_not_a_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.mp4"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"input: .*note\.mp4 is not a video"):
        open_frames(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"input: there is no file or folder .*gone\.mp4"):
        open_frames(tmp_path / "gone.mp4")


def test_a_single_picture_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "one.png")

    with pytest.raises(ValueError, match=r"one\.png is a single picture; .* a folder of frames"):
        open_frames(tmp_path / "one.png")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as output:
        stream = output.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        silence.sample_rate = 48000
        output.mux(stream.encode(silence))
        output.mux(stream.encode(None))

    with pytest.raises(ValueError, match=r"sound\.mp4 is without a video track"):
        open_frames(tmp_path / "sound.mp4")


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    frames = moving_frames(12)
    folder = write_pictures(tmp_path / "clip", frames, "frame{}.png")
    (folder / "notes.txt").write_text("not a frame")

    images, times = read(folder, fps=NTSC)

    np.testing.assert_array_equal(images, frames)
    assert times == [index / NTSC for index in range(12)]
    assert open_frames(folder).info.frame_count == 12


def test_grey_and_palette_pictures_become_rgb(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "0.png")
    Image.fromarray(grey).convert("RGB").quantize(64).save(tmp_path / "1.png")

    images, _ = read(tmp_path)

    np.testing.assert_array_equal(images, np.stack([np.stack([grey] * 3, axis=-1)] * 2))


def test_pictures_of_another_size_are_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving_frames(2, 20, 10))
    Image.new("RGB", (21, 10)).save(tmp_path / "clip" / "00002.png")

    with pytest.raises(ValueError, match=r"00002\.png is 21x10 but 00000\.png is 20x10"):
        list(open_frames(tmp_path / "clip"))


def test_a_picture_that_leads_the_model_must_be_opaque(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (1, 2, 3, 99)).save(tmp_path / "0.png")

    with pytest.raises(ValueError, match=r"guides.past: .*0\.png is partly transparent; flatten"):
        read_picture(tmp_path / "0.png", "guides.past")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")

    with pytest.raises(ValueError, match=r"0\.png is not a picture that can be read"):
        open_frames(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"input: the folder .* holds no \.png or \.jpg"):
        open_frames(tmp_path)


def test_a_rate_that_is_not_positive_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving_frames(2))

    with pytest.raises(ValueError, match=r"fps: expected a positive number .* got -3"):
        open_frames(tmp_path / "clip", fps=Fraction(-3))
