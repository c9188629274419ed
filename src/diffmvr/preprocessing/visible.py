"""What is visible of a picture, resampled once together with where it is visible.

A picture and its visibility are the four channels of one array, so that both are read at once.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.structures import FloatArray, UInt8Array

GREY = 128
"""What stands for pixels that nobody knows."""

VISIBLE = 255

Shown = tuple[UInt8Array, NDArray[np.bool_]]
"""``[h, w, 3]`` uint8, grey where unknown, and ``[h, w]``, where every pixel that the interpolation
reads is visible and inside the picture (a weight below 1/500 absorbs rounding: what is hidden is
grey before anything is read)."""


def with_visibility(image: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Return ``[H, W, 4]``, a picture and 255 where it is visible; grey and 0 where it is hidden.

    Args:
        image: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` 0/1, 1 = hidden.
    """
    visible = np.where(mask == 0, np.uint8(VISIBLE), np.uint8(0))
    joined: Any = cv2.merge([*cv2.split(image), visible])
    joined[mask != 0, :3] = GREY
    return np.asarray(joined, np.uint8)


def move(seen: UInt8Array, matrix: FloatArray, size: tuple[int, ...]) -> Shown:
    """Move it by an affine map, bilinearly.

    Args:
        seen: ``[H, W, 4]``, from ``with_visibility``.
        matrix: ``[2, 3]``, position in it → position in the result.
        size: (height, width) of the result.
    """
    return _apart(cv2.warpAffine(seen, matrix, size[::-1], flags=cv2.INTER_LINEAR))


def look_up(seen: UInt8Array, position: NDArray[np.float32]) -> Shown:
    """Read it at ``[h, w, 2]`` (x, y) positions, bilinearly."""
    nothing: Any = None
    return _apart(cv2.remap(seen, position, nothing, cv2.INTER_LINEAR))


def _apart(moved: Any) -> Shown:
    known = cv2.extractChannel(moved, 3) == VISIBLE
    image: Any = cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB)
    image[~known] = GREY
    return image, known
