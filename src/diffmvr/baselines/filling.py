"""What the baselines share: filling the rest of a hole from its rim, and the promise outside it.

Legend: T frames, H × W pixels; a candidate is ``[H, W, 3]`` with ``[H, W]`` bool where known.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.symmetry import GREY
from diffmvr.structures import Clip, UInt8Array

RADIUS = 3.0
"""Neighbourhood of OpenCV's inpainting, in pixels (its documentation's own choice)."""


def inpaint(
    image: UInt8Array, hidden: NDArray[np.bool_], method: int = cv2.INPAINT_TELEA
) -> UInt8Array:
    """Fill hidden pixels from the visible ones around them by OpenCV's inpainting.

    Args:
        image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
        hidden: ``[H, W]`` bool, True = fill.
        method: ``cv2.INPAINT_TELEA`` (Telea 2004) or ``cv2.INPAINT_NS`` (Bertalmio et al. 2001).

    Returns:
        ``[H, W, 3]`` uint8, equal to ``image`` where not hidden; grey (128) if all is hidden.
    """
    if not hidden.any():
        return image.copy()
    # Grey first: with no visible pixel OpenCV returns its input, occluder and all.
    grey = np.where(hidden[..., None], np.uint8(GREY), image)
    filled = cv2.inpaint(grey, hidden.astype(np.uint8), RADIUS, method)
    return filled.astype(np.uint8, copy=False)


def fill_holes(clip: Clip, fill: Callable[[int], UInt8Array]) -> UInt8Array:
    """Fill the hole of every frame and leave every visible pixel alone.

    Args:
        clip: the clip; only ``observed`` and ``mask`` are read.
        fill: frame number → that frame filled, ``[H, W, 3]`` uint8; only its hole is used, and
            it is asked for frames with a hole alone.

    Returns:
        ``[T, H, W, 3]`` uint8, equal to ``clip.observed`` wherever the mask is 0.
    """
    restored = clip.observed.copy()
    for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
        hole = clip.mask[t] != 0
        restored[t][hole] = fill(int(t))[hole]
    return restored


def fill_from(
    candidate: UInt8Array, known: NDArray[np.bool_], frame: UInt8Array, hole: NDArray[np.bool_]
) -> UInt8Array:
    """Paste a candidate into the hole where it is known, and fill the rest from the rim (Telea).

    Args:
        candidate: ``[H, W, 3]`` uint8.
        known: ``[H, W]`` bool, where the candidate says something.
        frame: ``[H, W, 3]`` uint8, what the camera saw.
        hole: ``[H, W]`` bool, True = hidden in ``frame``.

    Returns:
        ``[H, W, 3]`` uint8.
    """
    pasted = np.where((hole & known)[..., None], candidate, frame)
    return inpaint(pasted, hole & ~known)
