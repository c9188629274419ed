"""Frames as they are handed from one process to another: a head, and ``[H, W, 3]`` uint8 RGB."""

import struct
from typing import IO

import numpy as np

from diffmvr.structures import UInt8Array

HEAD = struct.Struct("<qII")
"""Number of the frame, its height and its width."""


def write_frame(stream: IO[bytes], number: int, image: UInt8Array) -> None:
    """Write one frame ``[H, W, 3]``, with its number.

    Raises:
        BrokenPipeError: if nobody reads.
    """
    height, width = image.shape[:2]
    stream.write(HEAD.pack(number, height, width))
    stream.write(np.ascontiguousarray(image).data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[int, UInt8Array] | None:
    """Read one frame and its number; ``None`` where the stream ends, be it within a frame."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    number, height, width = HEAD.unpack(head)
    data = stream.read(3 * height * width)
    if len(data) < 3 * height * width:
        return None
    return number, np.frombuffer(data, np.uint8).reshape(height, width, 3)
