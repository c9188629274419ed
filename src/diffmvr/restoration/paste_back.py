"""Lay a restored crop back into its frame at the frame's own resolution."""

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_shape
from diffmvr.geometry import distance_inside, zoom_of
from diffmvr.pipelines.compositing import composite
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.structures import UInt8Array

SEAM = 0.1
"""Where a hole leaves the crop: width of the strip along the crop's edge in which the two fillings
are blended, in sides of the crop."""


def paste_back(
    restored_crop: UInt8Array,
    observed: UInt8Array,
    mask: UInt8Array,
    crop: CropTransform,
    feather: float = 0.0,
    around: tuple[UInt8Array, CropTransform] | None = None,
) -> UInt8Array:
    """Fill the hole of a frame from its restored crop.

    Args:
        restored_crop: ``[p, p, 3]`` uint8.
        observed: ``[H, W, 3]`` uint8, the frame.
        mask: ``[H, W]`` 0/1, 1 = hidden, at the frame's resolution.
        crop: the map between the two.
        feather: width of the seam inside the hole, in frame pixels.
        around: ``[s, s, 3]`` uint8 and its place, a larger square with the part of the hole that
            the crop does not show.

    Returns:
        ``[H, W, 3]`` uint8.  Equal to ``observed`` wherever the mask is 0, and outside the squares.
    """
    check_shape("observed", observed, (*crop.frame_size, 3))
    check_shape("mask", mask, crop.frame_size)
    laid = crop.apply_inverse(restored_crop)
    if around is None:
        return _fill(laid, observed, mask, crop, feather)
    picture, square = around
    weight = _weight(mask, crop)
    blended = weight * laid + (1 - weight) * square.apply_inverse(picture)
    return _fill(np.rint(blended).astype(np.uint8), observed, mask, square, feather)


def paste_corrected(
    correction: NDArray[np.float32],
    observed: UInt8Array,
    mask: UInt8Array,
    crop: CropTransform,
    picture: tuple[UInt8Array, CropTransform],
    feather: float = 0.0,
) -> UInt8Array:
    """Fill the hole of a frame from a picture, corrected by the model where its crop is.

    Args:
        correction: ``[p, p, 3]`` float32, what the model adds to the picture, in grey levels.
        observed: ``[H, W, 3]`` uint8, the frame.
        mask: ``[H, W]`` 0/1, 1 = hidden, at the frame's resolution.
        crop: the map between frame and correction.
        picture: ``[s, s, 3]`` uint8 and its place, a square that holds crop and hole.
        feather: width of the seam inside the hole, in frame pixels.

    Returns:
        ``[H, W, 3]`` uint8.  Equal to ``observed`` wherever the mask is 0.
    """
    check_shape("correction", correction, (crop.size, crop.size, 3))
    check_shape("observed", observed, (*crop.frame_size, 3))
    check_shape("mask", mask, crop.frame_size)
    shown, square = picture
    laid = square.apply_inverse(shown) + _weight(mask, crop) * crop.apply_inverse(correction, 0)
    laid = np.rint(laid.clip(0, 255)).astype(np.uint8)
    return _fill(laid, observed, mask, square, feather)


def shows_all(mask: UInt8Array, crop: CropTransform) -> bool:
    """Return whether the crop shows every hidden pixel."""
    return not _beyond(mask, crop).any()


def _fill(
    laid: UInt8Array, observed: UInt8Array, mask: UInt8Array, square: CropTransform, feather: float
) -> UInt8Array:
    """Composite inside the square."""
    x0, y0, x1, y1 = footprint(square)
    inside = np.s_[y0:y1, x0:x1]
    result = observed.copy()
    if mask[inside].any():
        result[inside] = composite(laid[inside], observed[inside], mask[inside], feather)
    return result


def _beyond(mask: UInt8Array, crop: CropTransform) -> NDArray[np.bool_]:
    """Return ``[H, W]`` bool, the hidden pixels that the crop does not show."""
    x0, y0, x1, y1 = footprint(crop)
    hidden = mask != 0
    hidden[y0:y1, x0:x1] = False
    return hidden


def _weight(mask: UInt8Array, crop: CropTransform) -> NDArray[np.float32]:
    """Return ``[H, W, 1]``, 1 in the crop but for a strip where the hole leaves it."""
    return fade(~_beyond(mask, crop), SEAM * crop.size / zoom_of(crop.matrix))[..., None]


def fade(shown: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    """Return ``[H, W]``: 0 where nothing is shown, growing to 1 within ``width`` pixels of that."""
    if shown.all():
        return np.ones(shown.shape, np.float32)
    return np.clip(distance_inside(shown) / width, 0, 1, dtype=np.float32)


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
