"""A visible mark on frames that hold synthesised pixels, so that a screenshot tells it, too."""

import cv2
import numpy as np

from diffmvr.checks import check_one_of, check_shape
from diffmvr.structures import UInt8Array

MARKS = ("none", "corner", "hatch")

TEXT = "SYNTHETIC"
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHARE = 0.3
"""Width of the word in the corner, in widths of the frame."""

_STRENGTH = 0.4
"""How far a line of the hatching is from the picture, towards white or black."""


def draw_mark(image: UInt8Array, mask: UInt8Array, mark: str) -> tuple[UInt8Array, UInt8Array]:
    """Draw a mark into a frame.

    - ``corner``: the word SYNTHETIC, white on black, in the lower right corner.  It covers pixels
      that were not hidden: by choice, the one exception to the rule that those are never changed.
    - ``hatch``: diagonal lines in the hole, and nowhere else.

    Args:
        image: ``[H, W, 3]`` uint8 RGB, the restored frame; is not changed.
        mask: ``[H, W]`` 0/1, 1 = synthesised.
        mark: one of ``MARKS``.

    Returns:
        The frame with its mark, and ``[H, W]`` 0/1: where it may differ from the frame without.
        A frame without a hole gets no mark.

    Raises:
        ValueError: if the mark is unknown or the sizes differ.
    """
    check_one_of("mark", mark, MARKS)
    check_shape("mask", mask, image.shape[:2])
    drawn = np.zeros_like(mask)
    if mark == "none" or not mask.any():
        return image, drawn
    if mark == "corner":
        label = _label(*mask.shape)
        height, width = label.shape[:2]
        marked = image.copy()
        marked[-height:, -width:] = label
        drawn[-height:, -width:] = 1
        return marked, drawn
    drawn = _lines(*mask.shape) & (mask != 0)
    ends = np.where(image.mean(axis=2, keepdims=True) < 128, 255.0, 0.0)
    hatched = np.rint(image + _STRENGTH * (ends - image))
    marked = np.where(drawn[..., None] != 0, hatched, image).astype(np.uint8)
    return marked, drawn.astype(np.uint8)


def _label(height: int, width: int) -> UInt8Array:
    """Return the word on its ground, as large as a frame of this size takes."""
    (wide, tall), below = cv2.getTextSize(TEXT, _FONT, 1.0, 2)
    scale = max(_SHARE * width, 40) / wide
    pad = max(2, round(0.25 * tall * scale))
    size = round(wide * scale) + 2 * pad, round((tall + below) * scale) + 2 * pad
    ground = np.zeros((size[1], size[0], 3), np.uint8)
    thickness = max(1, round(2 * scale))
    place = pad, pad + round(tall * scale)
    cv2.putText(ground, TEXT, place, _FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return ground[:height, :width]


def _lines(height: int, width: int) -> UInt8Array:
    """Return ``[H, W]`` 0/1, lines at 45 degrees that stand still from frame to frame."""
    period = max(6, min(height, width) // 30)
    y, x = np.mgrid[:height, :width]
    return ((x + y) % period < max(1, period // 5)).astype(np.uint8)
