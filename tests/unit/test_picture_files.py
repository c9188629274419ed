"""Pictures are opened as what we support, and never at a size that fills the memory."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

import diffmvr
from diffmvr.data.detection_set import read_rgb
from diffmvr.picture_files import open_picture
from diffmvr.preprocessing.mask_io import read_mask
from diffmvr.preprocessing.picture_folder import read_picture

READERS: dict[str, Callable[[Path], object]] = {
    "frame": lambda path: read_picture(path, "input"),
    "mask": read_mask,
    "training image": read_rgb,
}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises a size that its data do not hold."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("reader", READERS)
def test_an_eps_that_is_called_png_never_reaches_ghostscript(
    tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **_: started.append(given))
    picture = tmp_path / "face.png"
    picture.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n%%EOF\n"
    )
    # Pillow itself takes it for a picture.
    assert Image.open(picture).format == "EPS"

    with pytest.raises(ValueError, match=r"face\.png is not a picture that can be read as PNG"):
        READERS[reader](picture)
    assert not started


@pytest.mark.parametrize("reader", READERS)
def test_a_png_that_promises_too_many_pixels_is_refused_before_memory_is_taken(
    tmp_path: Path, reader: str
) -> None:
    (tmp_path / "huge.png").write_bytes(png_of_size(60_000, 60_000))

    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"the header of .*huge\.png promises too large a picture .*3600000000"
    ):
        READERS[reader](tmp_path / "huge.png")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000


def test_a_large_picture_is_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    data = png_of_size(10_000, 10_000)
    assert open_picture(io.BytesIO(data), "input", decode=False).size == (10_000, 10_000)
    assert not recwarn.list


def test_what_a_picture_is_counts_and_not_its_suffix(tmp_path: Path) -> None:
    # A JPEG called .png: its values are not exact, so a mask is what is bright.
    shades = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    Image.fromarray(shades).save(tmp_path / "mask.png", format="JPEG", quality=95)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), shades > 127)


@pytest.mark.parametrize("keep", [0, 1, 20, 40, 60])
def test_a_broken_picture_is_one_clear_error(tmp_path: Path, keep: int) -> None:
    (tmp_path / "0.png").write_bytes(png_of_size(16, 16)[:keep])
    with pytest.raises(ValueError, match=r"input: .*0\.png is not a picture that can be read"):
        read_picture(tmp_path / "0.png", "input")


def test_a_replaced_image_open_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ultralytics' installs a package; whoever imports it beside us has it."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("asked"))
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="is not a picture that can be read"):
        read_picture(tmp_path / "0.png", "input")


def test_no_other_place_opens_a_picture_unlooked_at() -> None:
    root = Path(diffmvr.__file__).parent
    openers: dict[str, set[str]] = {}
    for file in root.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for call in ("Image.open", "cv2.imread(", "cv2.imdecode(", "read_image(", "imageio"):
            if call in text:
                openers.setdefault(call, set()).add(file.relative_to(root).as_posix())
                # OpenCV decodes what open_picture has looked at.
                assert call == "Image.open" or "open_picture(" in text, file
    assert openers.pop("Image.open") == {"picture_files.py", "preprocessing/yolo_runtime.py"}
    assert set(openers) == {"cv2.imread(", "cv2.imdecode("}
