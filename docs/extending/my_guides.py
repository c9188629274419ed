"""A guide of one's own: what surrounds the hole, drawn into it."""

import cv2

from diffmvr.structures import Clip, UInt8Array


def surroundings(clip: Clip, t: int) -> tuple[UInt8Array, bool]:
    """Return frame ``t`` with its hole inpainted, and that it says something of the frame."""
    return cv2.inpaint(clip.observed[t], clip.mask[t], 3, cv2.INPAINT_TELEA), True
