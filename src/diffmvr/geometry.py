"""Affine maps between pictures, boxes in them, and distances.

A map is ``[2, 3]`` float64; positions are (x, y) with integer values at pixel *centres*.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.structures import FaceTrack, FloatArray, UInt8Array


def compose(outer: FloatArray, inner: FloatArray) -> FloatArray:
    """Return the map p ↦ outer(inner(p)).

    Args:
        outer: ``[2, 3]``.
        inner: ``[..., 2, 3]``.
    """
    linear = outer[:, :2] @ inner
    linear[..., 2] += outer[:, 2]
    return linear


def invert(matrix: FloatArray) -> FloatArray:
    """Return the inverse of a ``[2, 3]`` affine map.

    Raises:
        ValueError: if it has none.
    """
    # Written out: it is asked for hundreds of times a frame, and NumPy's takes a fifth of a ms.
    (a, b, x), (c, d, y) = matrix.tolist()
    determinant = a * d - b * c
    if abs(determinant) < 1e-12:
        linear = [[a, b], [c, d]]
        raise ValueError(f"matrix: expected an invertible map, got linear part {linear}")
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return np.array([[a, b, -a * x - b * y], [c, d, -c * x - d * y]])


def scaling(zoom_x: float, zoom_y: float | None = None) -> FloatArray:
    """Return the map from a picture to itself at another size.

    Pixel centre x lies at zoom · (x + 1/2) − 1/2 afterwards.

    Args:
        zoom_x: new width over old width.
        zoom_y: new height over old height, by default the same.
    """
    zoom = np.array([zoom_x, zoom_x if zoom_y is None else zoom_y], np.float64)
    return np.column_stack([np.diag(zoom), (zoom - 1) / 2])


def zoom_of(matrix: FloatArray) -> float:
    """Return how many pixels of the target a map makes of one pixel, along a side."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def move_points(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Map points ``[..., 2]`` (x, y)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def scale_track(track: FaceTrack, zoom: float) -> FaceTrack:
    """Return the track of a clip whose pictures are ``zoom`` times as large."""
    scale = scaling(zoom)
    anchor = move_points(scale, track.midline[:, :2])
    return FaceTrack(
        face_box=move_points(scale, track.face_box.reshape(-1, 2, 2)).reshape(-1, 4),
        midline=np.column_stack([anchor, track.midline[:, 2:]]),
        similarity=compose(scale, track.similarity),
        axis_source=track.axis_source,
        crop=None if track.crop is None else compose(scale, track.crop),
    )


def boxes_mask(boxes: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """Return ``[H, W]``, 1 in every pixel whose centre lies in one of the boxes ``[K, 4]``."""
    mask = np.zeros(size, np.uint8)
    for x0, y0, x1, y1 in boxes:
        rows = slice(max(int(np.ceil(y0)), 0), max(int(np.floor(y1)) + 1, 0))
        columns = slice(max(int(np.ceil(x0)), 0), max(int(np.floor(x1)) + 1, 0))
        mask[rows, columns] = 1
    return mask


def distance_inside(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return ``[H, W]``, the distance of each pixel of a region to the nearest one outside it.

    OpenCV's distances vary in their last bits with where their memory lies.  Their squares are
    whole numbers, so that these do not.

    Args:
        region: ``[H, W]`` bool; where no pixel is outside it, every distance is infinite.
    """
    if region.all():
        return np.full(region.shape, np.inf, np.float32)
    inside = region.astype(np.uint8)
    distance: Any = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    lengths: NDArray[np.float32] = np.sqrt(np.rint(distance**2))
    return lengths
