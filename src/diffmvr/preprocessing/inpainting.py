"""Filling what nothing is known of from its rim, by OpenCV's inpainting."""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import UInt8Array

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
