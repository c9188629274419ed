"""The past guide: which earlier frame shows the face unobstructed (paper 3.2; decisions 11)."""

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_shape
from diffmvr.structures import CLEAR_THRESHOLD, FloatArray, UInt8Array


def occluded_share(mask: UInt8Array, face_box: FloatArray) -> FloatArray:
    """Measure how much of the face box is hidden in each frame.

    A pixel counts if its centre lies in the box and in the frame.  Where the box holds no pixel
    of the frame the share is 1: nothing of that face can be seen.

    Args:
        mask: ``[T, H, W]`` 0/1, 1 = hidden.
        face_box: ``[T, 4]`` (x0, y0, x1, y1) in pixels.

    Returns:
        ``[T]`` float in [0, 1].
    """
    check_shape("mask", mask, (None, None, None))
    check_shape("face_box", face_box, (len(mask), 4))
    share = np.ones(len(mask))
    for t, box in enumerate(face_box):
        inside = mask[t][pixels_in_box(box)]
        if inside.size:
            share[t] = np.count_nonzero(inside) / inside.size
    return share


def pixels_in_box(box: FloatArray) -> tuple[slice, slice]:
    """Return the (rows, columns) of the pixels whose centre lies in a box (x0, y0, x1, y1)."""
    x0, y0 = np.maximum(np.ceil(box[:2]), 0).astype(int)
    x1, y1 = np.maximum(np.floor(box[2:]) + 1, 0).astype(int)
    return slice(y0, y1), slice(x0, x1)


def past_clear_index(
    share: FloatArray, clear_threshold: float = CLEAR_THRESHOLD
) -> NDArray[np.int64]:
    """Find, for each frame, the most recent *earlier* frame whose face is unobstructed.

    Args:
        share: ``[T]`` occluded share of the face box.
        clear_threshold: the largest share that still counts as unobstructed, inclusive.

    Returns:
        ``[T]`` int64, an index smaller than the frame's own, or -1 where there is none.

    Raises:
        ValueError: if the threshold is not in [0, 1].
    """
    check_shape("share", share, (None,))
    check_number("clear_threshold", clear_threshold, 0.0, 1.0)
    frames = np.arange(len(share), dtype=np.int64)
    latest = np.maximum.accumulate(np.where(share <= clear_threshold, frames, np.int64(-1)))
    return np.concatenate([np.full(min(1, len(share)), -1, np.int64), latest[:-1]])
