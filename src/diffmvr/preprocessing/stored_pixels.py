"""Pixels as a file holds them: 8 or 16 bits, grey or coloured, transparent or not, with a profile.

The model sees 8-bit RGB.  What is not hidden is written as it was read, so a frame that holds more
than 8-bit RGB carries that along.  H × W is the size as displayed, C the number of channels.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffmvr.picture_files import open_picture
from diffmvr.structures import UInt8Array

COLOUR_CHUNKS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP")
"""Chunks of a PNG that say what its values look like."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIRST_CHUNK = 33
"""Where the header of a PNG ends."""

_EIGHT_BIT_MODES = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")
_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """What a picture or a frame holds.

    Attributes:
        values: ``[H, W, C]`` uint8 or uint16, upright; grey (C = 1), RGB (3) or RGBA (4).
        colour_chunks: whole chunks of a PNG, ``COLOUR_CHUNKS``, or empty.
        text_chunks: whole chunks of a PNG that say something of the picture, or empty.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    colour_chunks: bytes = b""
    text_chunks: bytes = b""

    @property
    def deep(self) -> bool:
        """Whether there are 16 bits a channel."""
        return self.values.dtype == np.uint16

    @property
    def transparent(self) -> bool:
        """Whether any pixel is."""
        full = np.iinfo(self.values.dtype).max
        return self.values.shape[2] == 4 and bool((self.values[..., 3] < full).any())

    @property
    def profiled(self) -> bool:
        """Whether the colours are others than those of an ordinary screen (sRGB), or may be."""
        return b"iCCP" in self.colour_chunks or b"cICP" in self.colour_chunks

    @property
    def is_plain(self) -> bool:
        """Whether 8-bit RGB says it all."""
        return self.values.shape[2] == 3 and not self.deep and not self.colour_chunks

    def rgb(self) -> UInt8Array:
        """Return ``[H, W, 3]`` uint8, what the model sees: without transparency, rounded."""
        values: np.ndarray = self.values
        if self.deep:
            height, width, channels = values.shape
            flat = cv2.convertScaleAbs(values.reshape(height, -1), alpha=255 / 65535)
            values = np.asarray(flat).reshape(height, width, channels)
        if values.shape[2] == 1:
            values = np.repeat(values, 3, axis=2)
        return np.ascontiguousarray(values[..., :3], dtype=np.uint8)

    def deep_rgb(self) -> NDArray[np.uint16]:
        """Return ``[H, W, 3]`` uint16, without transparency."""
        values = self.values.astype(np.uint16) * (1 if self.deep else 257)
        return np.ascontiguousarray(np.broadcast_to(values[..., :3], (*values.shape[:2], 3)))

    def filled(self, image: UInt8Array, mask: UInt8Array) -> "StoredPixels":
        """Replace the hidden pixels and nothing else; what is filled in is opaque.

        Args:
            image: ``[H, W, 3]`` uint8 RGB, the restored frame.
            mask: ``[H, W]`` 0/1, 1 = hidden.
        """
        hidden = mask != 0
        colours = image[hidden]
        if self.values.shape[2] == 1:
            colours = cv2.cvtColor(colours[None], cv2.COLOR_RGB2GRAY)[0].reshape(-1, 1)
        elif self.values.shape[2] == 4:
            colours = np.insert(colours, 3, 255, axis=1)
        values = self.values.copy()
        values[hidden] = colours.astype(values.dtype) * (257 if self.deep else 1)
        return replace(self, values=values)

    def write(self, path: Path) -> None:
        """Write a PNG that holds exactly this."""
        values: np.ndarray = self.values
        if values.shape[2] >= 3:
            values = np.ascontiguousarray(values[..., [2, 1, 0, 3][: values.shape[2]]])
        # Level 3 is three times as fast as the default and files grow by a few per cent.
        done, data = cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        if not done:
            raise ValueError(f"output: a picture of {values.shape} cannot be written to {path}")
        png = data.tobytes()
        chunks = self.colour_chunks + self.text_chunks
        path.write_bytes(png[:_FIRST_CHUNK] + chunks + png[_FIRST_CHUNK:])


def read_stored(file: Path, name: str) -> StoredPixels:
    """Read one picture, upright, with everything that it holds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or is neither grey nor RGB.
    """
    values: np.ndarray
    picture = open_picture(file, name)
    data = file.read_bytes()
    if is_deep(data):
        values = _decode_deep(data, picture.info.get("transparency"))
    elif picture.mode in _EIGHT_BIT_MODES:
        values = _shallow(picture)
    else:
        raise ValueError(f"{name}: {file} has pixel type {picture.mode}; give grey or RGB pictures")
    chunks = b"".join(_colour_chunks(data)) if data.startswith(_SIGNATURE) else _profile(picture)
    return StoredPixels(upright(picture, values), chunks)


def is_deep(start: bytes) -> bool:
    """Tell from the first 25 bytes of a picture whether it has 16 bits a channel."""
    return start.startswith(_SIGNATURE) and start[24:25] == b"\x10"


def _shallow(picture: Image.Image) -> UInt8Array:
    """Return ``[H, W, C]`` of a picture of 8 bits or fewer."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    elif picture.mode != "RGB":
        picture = picture.convert("RGB" if picture.mode == "P" else "L")
    return np.atleast_3d(np.asarray(picture))


def _decode_deep(data: bytes, clear: object) -> NDArray[np.uint16]:
    """Decode a PNG of 16 bits, of which Pillow, which has read it before, keeps 8.

    Args:
        data: the file.
        clear: the grey level that is transparent, if one is; of a colour OpenCV knows itself.
    """
    decoded: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    values = np.atleast_3d(decoded).astype(np.uint16)
    if values.shape[2] >= 3:
        return values[..., [2, 1, 0, 3][: values.shape[2]]]
    if clear is not None:
        alpha = np.where(values == clear, 0, 65535).astype(np.uint16)
        return np.concatenate([values, values, values, alpha], axis=2)
    return values


def upright(picture: Image.Image, values: np.ndarray | None = None) -> np.ndarray:
    """Turn a picture's values as its EXIF says.

    Args:
        picture: the picture.
        values: its ``[H, W]`` or ``[H, W, C]`` values, if they are not Pillow's.
    """
    values = np.asarray(picture) if values is None else values
    orientation = picture.getexif().get(_ORIENTATION, 1)
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(values[::rows, ::columns])


def _colour_chunks(png: bytes) -> Iterator[bytes]:
    stream = io.BytesIO(png[len(_SIGNATURE) :])
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        rest = stream.read(length + 4)
        if kind == b"IDAT":
            return
        if kind in COLOUR_CHUNKS:
            yield head + rest


def _profile(picture: Image.Image) -> bytes:
    """Return the profile of a JPEG as a chunk of a PNG; empty if it has none."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return b""
    return png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG (PNG specification, third edition, 5.3)."""
    checked = kind + body
    return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))
