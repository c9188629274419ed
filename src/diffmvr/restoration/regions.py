"""Which square of each frame goes through the model.

A square is ``[x0, y0, side]`` and a box ``[x0, y0, x1, y1]`` between pixel *edges*: the frame's
own box is (−0.5, −0.5, W − 0.5, H − 0.5), since integer positions are pixel centres.
"""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from diffmvr.checks import check_shape
from diffmvr.preprocessing.crop import CropTransform, square_region
from diffmvr.structures import FloatArray, UInt8Array

MASK_SQUARE = 2.0
"""Side of the square around a hole where no face was found, in sides of the hole."""

REACH = 5
"""A square that must grow for a hole does so over so many frames before and after."""

NO_GROWTH = 1e-6
"""Growth in pixels that is only the running mean's rounding."""


def hole_box(mask: UInt8Array) -> FloatArray:
    """Return ``[4]``, the box around the hidden pixels (their outer edges); NaN if there is none.

    Args:
        mask: ``[H, W]`` 0/1, 1 = hidden.
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return np.full(4, np.nan)
    return np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5])


def boxes_around_holes(holes: FloatArray, crop_scale: float) -> FloatArray:
    """Stand in for face boxes where no face was found.

    Args:
        holes: ``[T, 4]`` boxes, rows of NaN for frames without a hole.
        crop_scale: how many times larger than the face box its crop will be.

    Returns:
        ``[T, 4]`` squares whose crop has twice the hole's longer side; NaN rows stay.
    """
    centre = (holes[:, :2] + holes[:, 2:]) / 2
    longer = (holes[:, 2:] - holes[:, :2]).max(axis=1, keepdims=True)
    half = longer * MASK_SQUARE / crop_scale / 2
    return np.column_stack([centre - half, centre + half])


def cover_holes(crops: tuple[CropTransform, ...], holes: FloatArray) -> tuple[CropTransform, ...]:
    """Enlarge the crops where the hole leaves them, so that every hidden pixel is in its crop.

    The growth is spread over the frames before and after, so that the square does not jump when
    an occluder comes in.  Crops that hold their holes, and their neighbours', stay as they are.

    Args:
        crops: T upright square crops of one frame size.
        holes: ``[T, 4]`` boxes, rows of NaN for frames without a hole.

    Returns:
        T crops; inside the frame where the frame is large enough for that.
    """
    check_shape("holes", holes, (len(crops), 4))
    box = np.stack([crop_box(crop) for crop in crops])
    outwards = np.array([-1, -1, 1, 1])
    growth = np.nan_to_num(np.maximum((holes - box) * outwards, 0.0))
    window = 2 * REACH + 1
    # Each frame's growth enters every maximum that is averaged here: the mean is not below it.
    steady = uniform_filter1d(
        maximum_filter1d(growth, window, axis=0, mode="nearest"), window, axis=0, mode="nearest"
    )
    grown = box + np.maximum(steady, growth) * outwards
    return tuple(
        crop if grow.max() < NO_GROWTH else _square_crop(target, crop)
        for crop, target, grow in zip(crops, grown, steady, strict=True)
    )


def crop_box(crop: CropTransform) -> FloatArray:
    """Return ``[4]``, what an upright crop shows of the frame."""
    edges = np.array([[-0.5, -0.5], [crop.size - 0.5, crop.size - 0.5]])
    return crop.to_frame(edges).ravel()


def _square_crop(box: FloatArray, like: CropTransform) -> CropTransform:
    """Return a crop around a box, moved into the frame as far as its size allows."""
    side = float((box[2:] - box[:2]).max())
    corner = (box[:2] + box[2:]) / 2 - side / 2
    height, width = like.frame_size
    slack = np.array([width, height]) - side
    corner = corner.clip(np.minimum(slack / 2, 0) - 0.5, np.maximum(slack / 2, slack) - 0.5)
    return square_region(corner + side / 2, side, like.size, like.frame_size)
