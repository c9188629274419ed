"""Lay a restored crop back into its frame at the frame's own resolution."""

import numpy as np

from diffmvr.checks import check_shape
from diffmvr.pipelines.compositing import composite
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.structures import UInt8Array


def paste_back(
    restored_crop: UInt8Array,
    observed: UInt8Array,
    mask: UInt8Array,
    crop: CropTransform,
    feather: float = 0.0,
) -> UInt8Array:
    """Fill the hole of a frame from its restored crop.

    Args:
        restored_crop: ``[p, p, 3]`` uint8.
        observed: ``[H, W, 3]`` uint8, the frame.
        mask: ``[H, W]`` 0/1, 1 = hidden, at the frame's resolution.
        crop: the map between the two.
        feather: width of the seam inside the hole, in frame pixels.

    Returns:
        ``[H, W, 3]`` uint8.  Equal to ``observed`` wherever the mask is 0, and outside the crop.
    """
    check_shape("observed", observed, (*crop.frame_size, 3))
    check_shape("mask", mask, crop.frame_size)
    x0, y0, x1, y1 = footprint(crop)
    inside = np.s_[y0:y1, x0:x1]
    result = observed.copy()
    if mask[inside].any():
        laid = crop.apply_inverse(restored_crop)
        result[inside] = composite(laid[inside], observed[inside], mask[inside], feather)
    return result


def footprint(crop: CropTransform) -> tuple[int, int, int, int]:
    """Return x0, y0 (included), x1, y1 (excluded): the frame's pixels whose centre the crop shows.

    Args:
        crop: an upright square (no rotation).
    """
    edges = np.array([[-0.5, -0.5], [crop.size - 0.5, crop.size - 0.5]])
    height, width = crop.frame_size
    # The tolerance keeps a pixel whose centre lies on the edge but for rounding.
    low, high = crop.to_frame(edges) + np.array([[-1e-6], [1e-6]])
    x0, y0 = np.clip(np.ceil(low), 0, [width, height]).astype(int)
    x1, y1 = np.clip(np.floor(high) + 1, 0, [width, height]).astype(int)
    return int(x0), int(y0), int(x1), int(y1)
