"""What hides the face (paper 3.1, 4.1): boxes or outlines by a detector, cleaned up over time.

Masks are uint8 0/1, 1 = hidden.
"""

from itertools import pairwise

import cv2
import numpy as np
from scipy.ndimage import binary_closing

from diffmvr.checks import check_number, check_one_of, check_shape
from diffmvr.geometry import boxes_mask
from diffmvr.preprocessing.detection import Detections, Detector
from diffmvr.structures import FloatArray, UInt8Array

DETECTED = ("segmentation", "bbox")
MASK_KINDS = (*DETECTED, "given", "none")


class OccluderFinder:
    """Draws the mask of everything that a detector finds in a picture of a face.

    Args:
        detector: finds what hides a face.
        kind: ``"segmentation"`` (irregular outlines) or ``"bbox"`` (boxes).

    Raises:
        ValueError: on another kind.
    """

    def __init__(self, detector: Detector, kind: str = "segmentation") -> None:
        check_one_of("mask", kind, DETECTED)
        self.detector = detector
        self.kind = kind

    def find(self, image: UInt8Array) -> UInt8Array:
        """Return the mask ``[H, W]`` of ``[H, W, 3]`` uint8 RGB.

        Raises:
            ValueError: if outlines are asked for and the detector draws none.
        """
        check_shape("image", image, (None, None, 3))
        found = self.detector.detect(image)
        if self.kind == "bbox":
            return boxes_mask(found.boxes, (image.shape[0], image.shape[1]))
        return _outlines(found, image)


def fill_short_gaps(masks: UInt8Array, gap: int) -> UInt8Array:
    """Put back what a detector lost for a few frames.

    A pixel that is hidden before and after is hidden in between.  Where a whole mask is missing
    between two others, it is the shape between theirs (mean of their signed distances, weighted by
    nearness in time).

    Args:
        masks: ``[T, H, W]`` 0/1, in coordinates that follow the face.
        gap: longest gap to fill, in frames; 0 fills none.

    Returns:
        ``[T, H, W]`` 0/1.
    """
    check_shape("masks", masks, (None, None, None))
    check_number("gap", gap, 0, 1000)
    if gap == 0 or len(masks) < 3:
        return masks.copy()
    filled = masks.copy()
    shown = np.flatnonzero(masks.any(axis=(1, 2)))
    for before, after in pairwise(shown):
        if 1 < after - before <= gap + 1:
            ends = _signed_distance(masks[before]), _signed_distance(masks[after])
            for t in range(before + 1, after):
                share = (t - before) / (after - before)
                filled[t] = (1 - share) * ends[0] + share * ends[1] > 0
    # Closing at the ends would take what lies beyond them for clear.
    padded = np.pad(filled.astype(bool), ((gap, gap), (0, 0), (0, 0)))
    closed = binary_closing(padded, np.ones((gap + 1, 1, 1), bool))[gap:-gap]
    return np.maximum(filled, closed).astype(np.uint8)


def clean_mask(mask: UInt8Array, close: float, dilate: float) -> UInt8Array:
    """Close small holes and cracks, then widen the mask.

    Args:
        mask: ``[H, W]`` 0/1.
        close: radius of what is closed, in pixels.
        dilate: how much wider the mask becomes on every side, in pixels.
    """
    check_number("close", close, 0, 1000)
    check_number("dilate", dilate, 0, 1000)
    if not mask.any():
        return mask
    # Both grow by distance, so that a diagonal edge moves as far as a straight one; what grows past
    # the border must not be lost before it shrinks again.
    pad = int(np.ceil(close)) + 1
    hidden = np.pad(mask, pad)
    if close > 0:
        grown = _distance_to(hidden) <= close
        hidden = (_distance_to((~grown).astype(np.uint8)) > close).astype(np.uint8)
    if dilate > 0:
        hidden = (_distance_to(hidden) <= dilate).astype(np.uint8)
    return np.maximum(mask, hidden[pad:-pad, pad:-pad])


def _outlines(found: Detections, image: UInt8Array) -> UInt8Array:
    """Return the union of the outlines, ``[H, W]``."""
    if found.masks is None:
        if not len(found):
            return np.zeros(image.shape[:2], np.uint8)
        raise ValueError(
            "mask: segmentation needs a detector that draws outlines, got one that finds boxes; "
            "use mask=bbox, or weights of task=occluder_seg"
        )
    if not len(found):
        return np.zeros(image.shape[:2], np.uint8)
    return np.asarray(found.masks.any(axis=0), np.uint8)


def _distance_to(mask: UInt8Array) -> FloatArray:
    """Return each pixel's distance to the nearest pixel of the mask, which must have one."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return np.asarray(cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_5), np.float64)


def _signed_distance(mask: UInt8Array) -> FloatArray:
    """Return the distance to the outline, positive inside."""
    return _distance_to(1 - mask) - _distance_to(mask)
