"""Where one scene of a recording ends and another begins."""

import cv2
import numpy as np

from diffmvr.structures import FloatArray, UInt8Array

CUT_DIFFERENCE = 20.0
CUT_CORRELATION = 0.5
"""Two frames belong to different scenes if their thumbnails differ by more than this many grey
levels on average, and are less alike than this."""


def is_cut(before: FloatArray, after: FloatArray) -> bool:
    """Tell whether two thumbnails ``[h, w, 3]`` show different scenes."""
    if np.abs(after - before).mean() <= CUT_DIFFERENCE:
        return False
    a, b = before.mean(axis=2).ravel(), after.mean(axis=2).ravel()
    a, b = a - a.mean(), b - b.mean()
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return bool(norm == 0 or a @ b / norm < CUT_CORRELATION)


def thumbnail(image: UInt8Array) -> FloatArray:
    """Return the frame at 32 × 32 pixels."""
    height, width = image.shape[:2]
    # Nearly the mean of each cell, at a cost that does not grow with the frame.
    step = max(1, min(height, width) // 128)
    small = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(small, (32, 32), interpolation=cv2.INTER_AREA), np.float64)
