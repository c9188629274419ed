"""The symmetric guide: the visible half of a face, mirrored about its midline (paper 3.2).

A midline is ``(x, y, cos, sin)``: a point on the line and the unit direction along it, from
forehead to chin, in pixels with y pointing down.
"""

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_shape
from diffmvr.preprocessing.smoothing import smooth_over_time
from diffmvr.preprocessing.visible import move, with_visibility
from diffmvr.structures import FloatArray, UInt8Array


def fit_midline(points: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Fit the line with the least squared distance to points (total least squares).

    Args:
        points: ``[K, 2]`` (x, y) in pixels, ordered from forehead to chin, K ≥ 2.
        weights: ``[K]`` non-negative, or ``None`` for equal ones.

    Returns:
        ``[4]`` (x, y, cos, sin): the weighted centroid and the direction from forehead to chin.

    Raises:
        ValueError: if there are fewer than two distinct points of positive weight.
    """
    check_shape("points", points, (None, 2))
    weights = np.ones(len(points)) if weights is None else np.asarray(weights, float)
    check_shape("weights", weights, (len(points),))
    if (weights < 0).any():
        raise ValueError(f"weights: expected non-negative values, got {weights.min():g}")
    used = points[weights > 0]
    if len(used) < 2 or np.ptp(used, axis=0).max() == 0:
        raise ValueError(
            f"points: expected at least 2 distinct points of positive weight, got {used.tolist()}"
        )
    share = weights / weights.sum()
    centre = share @ points
    offsets = points - centre
    _, _, axes = np.linalg.svd(np.sqrt(share)[:, None] * offsets, full_matrices=False)
    direction = axes[0]
    # The sign by the points' order: they must advance along the line on the whole.
    order = np.arange(len(points)) - share @ np.arange(len(points))
    if (share * order) @ (offsets @ direction) < 0:
        direction = -direction
    return np.concatenate([centre, direction])


def reflection_matrix(midline: FloatArray) -> FloatArray:
    """Return the ``[2, 3]`` reflection of pixel coordinates about a midline.

    With p₀ on the line and direction (c, s): p ↦ R·p + p₀ − R·p₀,
    R = [[c² − s², 2cs], [2cs, s² − c²]].  It is its own inverse.

    Args:
        midline: ``[4]`` (x, y, cos, sin).

    Raises:
        ValueError: if (cos, sin) is not of unit length.
    """
    check_shape("midline", midline, (4,))
    x, y, c, s = midline
    if abs(np.hypot(c, s) - 1) > 1e-4:
        raise ValueError(f"midline: expected a unit direction, got ({c:g}, {s:g})")
    rotation = np.array([[c * c - s * s, 2 * c * s], [2 * c * s, s * s - c * c]])
    point = np.array([x, y])
    return np.column_stack([rotation, point - rotation @ point])


def mirror_visible_half(
    image: UInt8Array, mask: UInt8Array, midline: FloatArray
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Reflect what is visible of a frame about the midline (paper 3.2; decisions 10).

    The result is the *whole* mirrored frame, not a copy of the input with its hole filled: the
    restorer sees the input beside it anyway, and the mirror image over visible skin tells it how
    far the two halves differ in light and expression.  Grey (128) where nothing is known: the
    mirror position is hidden (in particular a pixel hidden on both sides) or outside the image.
    No value of a hidden pixel enters the result, not even by interpolation.

    Args:
        image: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        midline: ``[4]`` (x, y, cos, sin).

    Returns:
        ``[H, W, 3]`` uint8 and ``[H, W]`` bool, True where the mirrored value is known.
    """
    return warp_visible(image, mask, reflection_matrix(midline))


def warp_visible(
    image: UInt8Array, mask: UInt8Array, matrix: FloatArray, size: tuple[int, int] | None = None
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Move what is visible of an image by an affine map, bilinearly.

    Args:
        image: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        matrix: ``[2, 3]``, position in ``image`` → position in the result.
        size: (height, width) of the result; the image's by default.

    Returns:
        ``[h, w, 3]`` uint8, grey where unknown, and ``[h, w]`` bool, True where known: every
        pixel that the interpolation reads is visible and inside the image.
    """
    return move(with_visibility(image, mask), matrix, size or mask.shape)


def smooth_midlines(midlines: FloatArray, sigma: float = 1.0) -> FloatArray:
    """Smooth midlines over time; a single wild frame does not move its neighbours.

    Args:
        midlines: ``[T, 4]`` (x, y, cos, sin), whose points keep their place on the face (as the
            centroid of the same landmarks does).
        sigma: in frames; see :func:`~diffmvr.preprocessing.smoothing.smooth_over_time`.

    Returns:
        ``[T, 4]`` float.
    """
    check_shape("midlines", midlines, (None, 4))
    angle = np.unwrap(np.arctan2(midlines[:, 3], midlines[:, 2]))
    smooth = smooth_over_time(np.column_stack([midlines[:, :2], angle]), sigma)
    return np.column_stack([smooth[:, :2], np.cos(smooth[:, 2]), np.sin(smooth[:, 2])])
