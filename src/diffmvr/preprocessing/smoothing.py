"""Robust smoothing over time of what is measured frame by frame (boxes, axes, transforms)."""

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from diffmvr.checks import check_number
from diffmvr.structures import FloatArray

OUTLIER_DEVIATIONS = 4.0
MEDIAN_WINDOW = 5


def smooth_over_time(values: FloatArray, sigma: float) -> FloatArray:
    """Remove single-frame outliers, then average with the neighbouring frames.

    A value further from the running median (5 frames) than 4 robust standard deviations is
    replaced by that median (Hampel filter); then a symmetric Gaussian, which does not lag behind
    a steady motion, is applied.  The first and the last frame keep their place.

    Args:
        values: ``[T, K]`` float, T frames of K quantities (angles unwrapped).
        sigma: standard deviation of the Gaussian, in frames; 0 only removes outliers.

    Returns:
        ``[T, K]`` float.

    Raises:
        ValueError: if ``sigma`` is negative.
    """
    check_number("sigma", sigma, 0.0, np.inf)
    median = median_filter(values, size=(MEDIAN_WINDOW, 1), mode="nearest")
    deviation = np.abs(values - median)
    # 1.4826 · MAD estimates the standard deviation of a normal; the mean keeps a track that is
    # still in most frames (MAD 0) from calling every movement an outlier.
    spread = 1.4826 * np.median(deviation, axis=0) + deviation.mean(axis=0)
    cleaned = np.where(deviation > OUTLIER_DEVIATIONS * spread, median, values)
    if sigma == 0.0:
        return cleaned
    # Reflected through the end points, so that a line stays that line up to its ends.
    pad = int(np.ceil(4 * sigma))
    padded = np.pad(cleaned, ((pad, pad), (0, 0)), mode="reflect", reflect_type="odd")
    return gaussian_filter1d(padded, sigma, axis=0)[pad:-pad]
