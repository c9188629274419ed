"""The past guide: which earlier frame shows the face unobstructed (paper 3.2; decisions 11)."""

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_shape
from diffmvr.structures import FloatArray, UInt8Array


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
    first = np.maximum(np.ceil(face_box[:, :2]), 0).astype(int)
    last = np.maximum(np.floor(face_box[:, 2:]), -1).astype(int)
    for t, ((x0, y0), (x1, y1)) in enumerate(zip(first, last, strict=True)):
        inside = mask[t, y0 : y1 + 1, x0 : x1 + 1]
        if inside.size:
            share[t] = np.count_nonzero(inside) / inside.size
    return share


def past_clear_index(share: FloatArray, clear_threshold: float = 0.005) -> NDArray[np.int64]:
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
