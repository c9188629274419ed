"""What a shot has shown of places that are hidden now, where it stands still.

Where no face is found, nothing can be carried as if it were one.  What stands still is known all
the same: each pixel as it was last seen, if what is visible around its hole has not changed since.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.structures import UInt8Array

LARGEST_CHANGE = 100.0
"""The surroundings of a hole have changed if they differ by more: squared grey levels, mean."""

RIM = 0.03
"""Width of the surroundings that are compared, in shares of the frame's shorter side."""


class StillBackground:
    """Each pixel of a shot as it was last seen.  A new one is needed after a cut."""

    def __init__(self) -> None:
        self._image: UInt8Array | None = None
        self._known: NDArray[np.bool_] | None = None

    def add(self, image: UInt8Array, mask: UInt8Array) -> None:
        """Take in the visible part of a frame.

        Args:
            image: ``[H, W, 3]`` uint8.
            mask: ``[H, W]`` 0/1, 1 = hidden.
        """
        visible = mask == 0
        if self._image is None or self._known is None:
            self._image, self._known = image.copy(), visible
        else:
            self._image[visible] = image[visible]
            self._known |= visible

    def fill(self, image: UInt8Array, mask: UInt8Array) -> UInt8Array:
        """Fill a hole with what stood there, and from its rim where that is not known.

        Args:
            image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
            mask: ``[H, W]`` 0/1, 1 = hidden.

        Returns:
            ``[H, W, 3]`` uint8, equal to ``image`` where the mask is 0.
        """
        hidden = mask != 0
        if self._image is None or self._known is None:
            return inpaint(image, hidden)
        change = ((image.astype(np.float32) - self._image) ** 2).mean(axis=-1)
        still = _unchanged_around(hidden, change, self._known) & self._known
        filled = np.where(still[..., None], self._image, image)
        return inpaint(filled, hidden & ~still)


def _unchanged_around(
    hidden: NDArray[np.bool_], change: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return ``[H, W]`` bool, the holes around which nothing has changed.

    Args:
        hidden: ``[H, W]``.
        change: ``[H, W]``, squared difference from what was last seen.
        known: ``[H, W]``, whether anything was seen.
    """
    count, labels = cv2.connectedComponents(hidden.astype(np.uint8))
    width = max(1, round(RIM * min(hidden.shape)))
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    unchanged = np.zeros_like(hidden)
    for label in range(1, count):
        hole = labels == label
        rim = (cv2.dilate(hole.astype(np.uint8), kernel) != 0) & ~hidden & known
        if rim.any() and change[rim].mean() < LARGEST_CHANGE:
            unchanged |= hole
    return unchanged
