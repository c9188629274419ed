"""Hashes of what a decoder gives back, so that they outlive a copy and a change of container.

A frame's hash is the SHA-256 of its planes as its decoder gives them, rows without padding: what
FFmpeg's own ``framehash`` writes, so that an output can be checked without this program::

    ffmpeg -i restored.mp4 -map 0:v -f framehash -

Decoding H.264 and FFV1 is exact by their specifications (ITU-T H.264, RFC 9043): every decoder
that follows them gives the same bytes.
"""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from diffmvr.preprocessing.media_files import open_to_read

if TYPE_CHECKING:
    # It imports torch, which takes a second.
    from diffmvr.structures import UInt8Array


def hash_mask(mask: "UInt8Array") -> str:
    """Return the SHA-256 of a mask as a grey picture: 255 where hidden, 0 elsewhere, row by row.

    Args:
        mask: ``[H, W]`` 0/1, 1 = hidden.
    """
    return hashlib.sha256(np.where(mask != 0, np.uint8(255), np.uint8(0)).tobytes()).hexdigest()


def hash_frame(frame: Any) -> str:
    """Return the hash of a decoded PyAV frame."""
    digest = hashlib.sha256()
    for plane, width in zip(frame.planes, _row_bytes(frame.format, frame.width), strict=False):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        digest.update(rows[:, :width].tobytes())
    return digest.hexdigest()


def hash_frames(path: Path, name: str = "input") -> Iterator[tuple[Fraction, str]]:
    """Decode the video of a file, or a picture, frame by frame.

    Args:
        path: the file.
        name: the argument's name, for messages.

    Yields:
        The time of a frame in seconds, and its hash.

    Raises:
        ValueError: if the file holds no video, or what is left of it cannot be decoded.
    """
    with open_to_read(path, name) as container:
        if not container.streams.video:
            raise ValueError(f"{name}: {path} holds no pictures; give an output of diffmvr.restore")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"err_detect": "explode"}
        try:
            for frame in container.decode(stream):
                time = Fraction(0) if frame.pts is None else frame.pts * frame.time_base
                # A decoder hides damage by a picture of its own making.
                yield time, "damaged" if frame.is_corrupt else hash_frame(frame)
        except av.FFmpegError as error:
            raise ValueError(
                f"{name}: {path} cannot be decoded any further ({error.strerror})"
            ) from error


def hash_picture(path: Path) -> str:
    """Return the hash of a picture's pixels, whatever its file is packed like.

    Raises:
        ValueError: if it is none.
    """
    return next((found for _, found in hash_frames(path)), "")


def hash_sound(path: Path) -> str:
    """Return the SHA-256 of all packets of sound in a file, track by track; ``""`` without any."""
    with open_to_read(path) as container:
        digests = [hashlib.sha256() for _ in container.streams.audio]
        order = {stream.index: k for k, stream in enumerate(container.streams.audio)}
        for packet in container.demux(*container.streams.audio) if order else ():
            if packet.size:
                digests[order[packet.stream_index]].update(bytes(packet))
    if not digests:
        return ""
    return hashlib.sha256("".join(one.hexdigest() for one in digests).encode()).hexdigest()


def _row_bytes(pixels: Any, width: int) -> list[int]:
    """Return how many bytes of a row are pixels, plane by plane.

    Args:
        pixels: PyAV's ``VideoFormat``.
        width: of the frame.
    """
    parts = [(part.plane, part.width * -(-part.bits // 8)) for part in pixels.components]
    if max(plane for plane, _ in parts) == 0:
        # Packed: a pixel's bytes may be more than those of its channels, as in bgr0.
        return [width * pixels.padded_bits_per_pixel // 8]
    return [sum(size for plane, size in parts if plane == k) for k in range(4)]
