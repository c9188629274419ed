"""Where things are among MediaPipe's 478 landmarks, and how deep and how movable a face is there.

Canonical coordinates: the origin lies between the eyes, y points down, and the distance between
the eyes' centres is 1 (``diffmvr.preprocessing.face``).  Left and right are the picture's.
"""

import cv2
import numpy as np

from diffmvr.data.synthetic.rng import smoothstep
from diffmvr.structures import FloatArray

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline of the face, once around from the middle of the forehead (``FACEMESH_FACE_OVAL``)."""

LEFT_LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
)
RIGHT_LIDS = (
    (362, 398, 384, 385, 386, 387, 388, 466, 263),
    (362, 382, 381, 380, 374, 373, 390, 249, 263),
)
"""The edge of the upper and of the lower lid, corners included, from left to right; a lid's n-th
landmark lies over the other's n-th (``FACEMESH_RIGHT_EYE`` and ``FACEMESH_LEFT_EYE``)."""
LIDS = (LEFT_LIDS, RIGHT_LIDS)
IRISES = (468, 473)
"""Centres of the irises."""

UPPER_LIP = (
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
)
LOWER_LIP = (
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
)
"""Rows of the lips from the inner edge to the outer one, corners included, from left to right."""


def ring(upper: tuple[int, ...], lower: tuple[int, ...]) -> tuple[int, ...]:
    """Return a closed outline from its upper and its lower edge, which share their ends."""
    return (*upper, *lower[-2:0:-1])


EYE_RINGS = tuple(ring(*lids) for lids in LIDS)
MOUTH_RING = ring(UPPER_LIP[0], LOWER_LIP[0])

_DEPTH_TOP, _DEPTH_X, _DEPTH_Y, _DEPTH_ROW = 1.41, 0.68, 0.03, -0.14
_NOSE_DEPTH, _NOSE_Y, _NOSE_X_WIDTH, _NOSE_Y_WIDTH = 0.51, 0.39, 0.163, 0.147
_LEAST_DEPTH = 0.1


def depth(points: FloatArray) -> FloatArray:
    """Return how far in front of the neck's axis the head's surface lies.

    A paraboloid with a nose, fitted to MediaPipe's depths of the 71 neutral faces of the London
    set (mean error 0.08); beyond the face it does not fall below that of the ears.

    Args:
        points: ``[..., 2]`` canonical.

    Returns:
        ``[...]``, distances between the eyes.
    """
    x, y = points[..., 0], points[..., 1]
    bowl = _DEPTH_TOP - _DEPTH_X * x**2 - _DEPTH_Y * (y - _DEPTH_ROW) ** 2
    nose = np.exp(-0.5 * ((x / _NOSE_X_WIDTH) ** 2 + ((y - _NOSE_Y) / _NOSE_Y_WIDTH) ** 2))
    return np.asarray(np.maximum(bowl, _LEAST_DEPTH) + _NOSE_DEPTH * nose)


def head_share(points: FloatArray) -> FloatArray:
    """Return how far a point moves with the head: 1 on it, 0 on the shoulders and far away.

    Args:
        points: ``[..., 2]`` canonical.
    """
    x, y = points[..., 0], points[..., 1]
    beside = 1.0 - smoothstep((np.abs(x) - 1.7) / 1.2)
    below = 1.0 - smoothstep((y - 1.75) / 1.0)
    above = 1.0 - smoothstep((-1.8 - y) / 1.5)
    return np.asarray(beside * below * above)


def jaw_share(face: FloatArray) -> FloatArray:
    """Return how far each landmark goes down with the jaw, in [0, 1].

    Args:
        face: ``[478, 2]`` canonical.
    """
    corners = face[[61, 291]]
    x, y = (face - corners.mean(axis=0)).T
    share = smoothstep((y + 0.02) / 0.3) * (1.0 - smoothstep((np.abs(x) - 0.35) / 0.65))
    along = np.sin(np.linspace(0.0, np.pi, len(LOWER_LIP[0]))) ** 0.6
    for upper, lower in zip(UPPER_LIP, LOWER_LIP, strict=True):
        share[list(upper)] = 0.0
        share[list(lower)] = along
    # The corners belong to both lips and stay.
    share[[row[end] for row in LOWER_LIP for end in (0, -1)]] = 0.0
    return np.asarray(share)


def fade_in(face: FloatArray, width: float = 0.3) -> FloatArray:
    """Return 0 on the face's outline, 1 from ``width`` inside it on.

    Args:
        face: ``[478, 2]`` canonical.
        width: in distances between the eyes.
    """
    return smoothstep(depth_inside(face, face) / width)


def depth_inside(face: FloatArray, points: FloatArray) -> FloatArray:
    """Return ``[P]``, how far points lie inside the outline of a face; negative outside it.

    Args:
        face: ``[478, 2]`` canonical.
        points: ``[P, 2]`` canonical.
    """
    outline = face[list(OVAL)].astype(np.float32)
    return np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in points])
