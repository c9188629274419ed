"""Pictures are written as they were read: depth, transparency, profile; only the hole changes."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from tests.helpers.recordings import write_video

from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.picture_folder import read_frame, read_picture
from diffmvr.preprocessing.pixel_losses import PixelLosses
from diffmvr.preprocessing.stored_pixels import StoredPixels, read_stored
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import PngWriter, VideoWriter

HEIGHT, WIDTH = 6, 8
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's colour types by the number of channels."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(path: Path, values: np.ndarray, extra: bytes = b"") -> Path:
    """Write ``[H, W, C]`` of 8 or 16 bits by the standard, without the code that is tested."""
    height, width, channels = values.shape
    bits = 8 * values.dtype.itemsize
    rows = values.astype(values.dtype.newbyteorder(">"))
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, bits, KINDS[channels], 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def random(channels: int, kind: type = np.uint16) -> np.ndarray:
    top = int(np.iinfo(kind).max) + 1
    return np.random.default_rng(channels).integers(0, top, (HEIGHT, WIDTH, channels), dtype=kind)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_is_written_as_it_was_read(tmp_path: Path, channels: int, kind: type) -> None:
    values = random(channels, kind)
    stored = read_stored(write_png(tmp_path / "in.png", values), "input")
    if channels == 2:
        # Grey with transparency becomes RGBA, of the same look.
        values = values[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(stored.values, values)

    stored.write(tmp_path / "out.png")

    np.testing.assert_array_equal(read_stored(tmp_path / "out.png", "input").values, values)


def test_sixteen_bits_are_rounded_for_the_model_not_cut(tmp_path: Path) -> None:
    values = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH, 1) * 1365
    frame = read_frame(write_png(tmp_path / "in.png", values), "input")
    expected = np.rint(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(frame.image, np.repeat(expected, 3, axis=2))


@pytest.mark.parametrize(("channels", "clear"), [(1, (7,)), (3, (7, 8, 9))])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_single_transparent_colour_is_transparency(
    tmp_path: Path, channels: int, clear: tuple[int, ...], kind: type
) -> None:
    values = np.full((HEIGHT, WIDTH, channels), 200, kind)
    values[1, 2] = clear
    extra = chunk(b"tRNS", struct.pack(f">{channels}H", *clear))
    stored = read_stored(write_png(tmp_path / "in.png", values, extra), "input")
    assert stored.transparent
    full = np.iinfo(kind).max
    assert stored.values[1, 2].tolist() == [*(clear * (3 // channels)), 0]
    assert (stored.values[0, :, 3] == full).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_nothing_but_the_hole_is_filled(channels: int, kind: type) -> None:
    values = random(channels, kind)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:4, 3:6] = 1
    image = np.full((HEIGHT, WIDTH, 3), (100, 100, 100), np.uint8)

    filled = StoredPixels(values).filled(image, mask).values

    scale = 257 if kind is np.uint16 else 1
    np.testing.assert_array_equal(filled[mask == 0], values[mask == 0])
    assert (filled[mask != 0][:, :3] == 100 * scale).all()
    if channels == 4:
        assert (filled[mask != 0][:, 3] == 255 * scale).all(), "what is restored is seen"


def test_a_profile_is_copied_from_png_and_from_jpeg(tmp_path: Path) -> None:
    picture = Image.fromarray(random(3, np.uint8))
    picture.save(tmp_path / "in.png", icc_profile=PROFILE)
    picture.save(tmp_path / "in.jpg", icc_profile=PROFILE)
    for name in ("in.png", "in.jpg"):
        read_stored(tmp_path / name, "input").write(tmp_path / "out.png")
        with Image.open(tmp_path / "out.png") as written:
            assert written.info["icc_profile"] == PROFILE


def test_gamma_and_chromaticities_are_copied_and_texts_are_not(tmp_path: Path) -> None:
    said = chunk(b"gAMA", struct.pack(">I", 100_000))
    extra = chunk(b"tEXt", b"Author\0somebody") + said
    stored = read_stored(write_png(tmp_path / "in.png", random(3), extra), "input")
    assert stored.colour_chunks == said
    stored.write(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.info == {"gamma": 1.0}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_exif_says(tmp_path: Path, orientation: int) -> None:
    picture = Image.fromarray(random(3, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "in.png", exif=exif)
    with Image.open(tmp_path / "in.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(read_picture(tmp_path / "in.png", "input"), expected)


def test_ffv1_and_png_keep_sixteen_bits(tmp_path: Path) -> None:
    values = [random(3), random(3)[::-1].copy()]
    for number, one in enumerate(values):
        write_png(tmp_path / f"in/{number}.png", one)
    frames = open_frames(tmp_path / "in")
    assert frames.info.depth == 16
    video = VideoWriter(tmp_path / "out.mkv", frames.info, "ffv1")
    pictures = PngWriter(tmp_path / "out")
    with video, pictures:
        for frame in frames:
            video.write(frame)
            pictures.write(frame)
    for output in ("out.mkv", "out"):
        again = open_frames(tmp_path / output)
        assert again.info.depth == 16
        for frame, expected in zip(again, values, strict=True):
            assert frame.stored is not None
            np.testing.assert_array_equal(frame.stored.values, expected)


def test_a_folder_is_as_deep_as_its_deepest_picture(tmp_path: Path) -> None:
    write_png(tmp_path / "in/0.png", random(3, np.uint8))
    write_png(tmp_path / "in/1.png", random(1))
    frames = open_frames(tmp_path / "in")
    with VideoWriter(tmp_path / "out.mkv", frames.info, "ffv1") as video:
        for frame in frames:
            video.write(frame)
    shallow, deep = open_frames(tmp_path / "out.mkv")
    assert shallow.stored is not None and deep.stored is not None
    np.testing.assert_array_equal(shallow.stored.values, random(3, np.uint8) * np.uint16(257))
    np.testing.assert_array_equal(deep.stored.values, np.repeat(random(1), 3, axis=2))


def test_what_lies_beside_the_pictures_is_noted(tmp_path: Path) -> None:
    write_png(tmp_path / "in/0.png", random(3, np.uint8))
    assert open_frames(tmp_path / "in").info.notes == ()
    (tmp_path / "in/1.tif").touch()
    (note,) = open_frames(tmp_path / "in").info.notes
    assert note == "1 entries of the folder are no .png or .jpg or .jpeg and are left out: 1.tif"


def losses(path: Path, output: str) -> str:
    frames = open_frames(path)
    found = PixelLosses(frames.info, output)
    for frame in frames:
        found.see(frame)
    return "\n".join(found.notes())


def test_every_output_says_what_it_does_not_hold_and_which_one_does(tmp_path: Path) -> None:
    deep = write_png(tmp_path / "deep/0.png", random(4)).parent
    assert losses(deep, "mp4").splitlines() == [
        "the input's 16 bits a channel are reduced to 8; format=ffv1 or format=png keeps it",
        "H.264 holds no transparency: the colours below it are shown; format=png keeps it",
    ]
    assert "FFV1 holds no transparency" in losses(deep, "ffv1")
    assert losses(deep, "png") == (
        "what is filled in has 8 bits a channel; the rest keeps the input's 16 bits"
    )
    assert "reduced to 8" in losses(deep, "store") and "format=" not in losses(deep, "store")

    (tmp_path / "icc").mkdir()
    Image.fromarray(random(3, np.uint8)).save(tmp_path / "icc/0.png", icc_profile=PROFILE)
    assert "H.264 holds no colour profile" in losses(tmp_path / "icc", "mp4")
    assert losses(tmp_path / "icc", "png") == ""

    plain = write_png(tmp_path / "plain/0.png", random(3, np.uint8)).parent
    for output in ("mp4", "ffv1", "png", "store"):
        assert losses(plain, output) == ""


def test_a_video_with_transparency_is_noted(tmp_path: Path) -> None:
    images = np.zeros((2, 16, 16, 3), np.uint8)
    path = write_video(tmp_path / "in.mkv", images, codec="ffv1", pix_fmt="bgra")
    assert "the video's transparency is not read" in losses(path, "png")


def test_a_deep_video_is_read_with_all_its_bits(tmp_path: Path) -> None:
    images = np.repeat(np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1) * 4, 3, axis=3)
    path = write_video(tmp_path / "in.mkv", images, codec="ffv1", pix_fmt="yuv444p10le")
    (frame,) = open_frames(path)
    assert open_frames(path).info.depth == 10
    assert isinstance(frame, Frame) and frame.stored is not None and frame.stored.deep
    np.testing.assert_allclose(frame.stored.values / 257, images[0], atol=2)
    np.testing.assert_array_equal(frame.image, np.rint(frame.stored.values / 257))
