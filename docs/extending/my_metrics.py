"""A metric of one's own: the error of the mean brightness of the hole, in grey levels."""

import numpy as np

from diffmvr.structures import Clip, UInt8Array


def score_brightness(restored: UInt8Array, clip: Clip) -> dict[str, float]:
    """Return the scores of one restored clip ``[T, H, W, 3]`` by name; NaN where there is none."""
    hidden = clip.mask == 1
    if clip.frames is None or not hidden.any():
        return {"brightness_error": float("nan")}
    truth, shown = (pictures[hidden].mean(dtype=np.float64) for pictures in (clip.frames, restored))
    return {"brightness_error": abs(float(shown - truth))}


score_brightness.higher_is_better = {"brightness_error": False}  # its column in the table
