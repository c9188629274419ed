"""Painting flat patches: the only place where shapes become pixels.

A scene is a list of polygons in frame coordinates (shares of the frame's side), painted in order
on a canvas larger than the frame and averaged down, so that every size shows the same scene.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.rng import FloatArray
from diffmvr.structures import UInt8Array

_SHIFT = 4
MIN_CANVAS = 192


@dataclass(frozen=True)
class Patch:
    """A polygon over time.

    Attributes:
        points: ``[T, n, 2]`` frame coordinates.
        colour: ``[C]`` or ``[T, C]``, 0–255.
    """

    points: FloatArray
    colour: FloatArray


def canvas_size(size: int) -> int:
    """Return the side of the canvas for a frame of ``size``: 2 or 3 times as large."""
    return size * max(2, -(-MIN_CANVAS // size))


def to_canvas(points: FloatArray, side: int) -> NDArray[np.int32]:
    """Convert frame coordinates to OpenCV's fixed point, where pixel centres are integers."""
    return np.rint((points * side - 0.5) * (1 << _SHIFT)).astype(np.int32)


def paint(
    patches: Sequence[Patch], frames: int, side: int, background: Sequence[float]
) -> Iterator[UInt8Array]:
    """Paint the patches of each frame in order.

    Args:
        patches: what to paint, the first one at the bottom.
        frames: number of frames T.
        side: side of the canvas in pixels.
        background: C values with which the canvas starts.

    Yields:
        ``[side, side, C]`` (``[side, side]`` for C = 1); the buffer is reused for the next frame.
    """
    channels = len(background)
    points = to_canvas(np.concatenate([p.points for p in patches], axis=1), side)
    ends = np.cumsum([p.points.shape[1] for p in patches])
    slices = [slice(end - p.points.shape[1], end) for end, p in zip(ends, patches, strict=True)]
    # One tuple per constant colour: many small containers would wake the garbage collector.
    parts: list[tuple[slice, list[tuple[float, ...]]]] = [
        (part, [tuple(row) for row in np.atleast_2d(p.colour).tolist()])
        for part, p in zip(slices, patches, strict=True)
    ]
    shape = (side, side) if channels == 1 else (side, side, channels)
    canvas = np.empty(shape, np.uint8)
    for t in range(frames):
        canvas[...] = background[0] if channels == 1 else background
        for part, colours in parts:
            colour = colours[t if len(colours) > 1 else 0]
            cv2.fillPoly(canvas, [points[t, part]], colour, cv2.LINE_8, _SHIFT)
        yield canvas


def shrink(image: UInt8Array, size: int) -> UInt8Array:
    """Average an image down to ``size`` × ``size``."""
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
