"""Which of several faces is meant: the one nearest to where somebody has pointed."""

import numpy as np

from diffmvr.checks import check_shape
from diffmvr.structures import FloatArray

REACH = 1.5
"""A face whose centre is farther from the point than so many of its longer sides is another one's:
whom nobody has pointed at is not restored."""


def nearest_box(boxes: FloatArray, at: FloatArray) -> int | None:
    """Return which box is meant; ``None`` if none is near.

    Args:
        boxes: ``[K, 4]`` (x0, y0, x1, y1) in pixels.
        at: ``[2]`` (x, y), a point in the face or near it.

    >>> nearest_box(np.array([[0, 0, 10, 10], [30, 0, 40, 10]]), np.array([33, 5]))
    1
    """
    check_shape("boxes", boxes, (None, 4))
    check_shape("at", at, (2,))
    if not len(boxes):
        return None
    away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - at, axis=1)
    nearest = int(np.argmin(away))
    side = float((boxes[nearest, 2:] - boxes[nearest, :2]).max())
    return nearest if away[nearest] <= REACH * side else None
