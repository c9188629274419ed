"""Where one scene of a recording ends and another begins."""

import cv2
import numpy as np

from diffmvr.structures import FloatArray, UInt8Array

CUT_DIFFERENCE = 20.0
CUT_CORRELATION = 0.5
"""Two frames belong to different scenes if their thumbnails differ by more than this many grey
levels on average, and are less alike than this."""

LEAST_VISIBLE = 0.05
"""Where less than this share of a thumbnail is visible in both frames, nothing is said."""


def is_cut(before: FloatArray, after: FloatArray) -> bool:
    """Tell whether two thumbnails ``[h, w, 3]`` show different scenes, as far as both are known."""
    known = np.isfinite(before).all(axis=2) & np.isfinite(after).all(axis=2)
    if known.mean() < LEAST_VISIBLE:
        return False
    before, after = before[known], after[known]
    if np.abs(after - before).mean() <= CUT_DIFFERENCE:
        return False
    a, b = before.mean(axis=1), after.mean(axis=1)
    a, b = a - a.mean(), b - b.mean()
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return bool(norm == 0 or a @ b / norm < CUT_CORRELATION)


def thumbnail(image: UInt8Array, mask: UInt8Array | None = None) -> FloatArray:
    """Return the frame at 32 × 32 pixels, NaN where a given mask ``[H, W]`` hides it.

    What comes before the camera all at once is no cut.
    """
    height, width = image.shape[:2]
    # Nearly the mean of each cell, at a cost that does not grow with the frame.
    step = max(1, min(height, width) // 128)
    small = _reduced(image[::step, ::step])
    if mask is not None and mask.any():
        hidden = (mask[::step, ::step] != 0).astype(np.float32)
        small[_reduced(hidden) > 0] = np.nan
    return small


def _reduced(image: np.ndarray) -> FloatArray:
    small = cv2.resize(np.ascontiguousarray(image), (32, 32), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64)
