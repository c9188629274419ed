"""The mesh over a portrait: landmarks, a grid around the face, and what lies behind the lids.

Legend: V vertices, N triangles.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from diffmvr.data.portraits.anatomy import (
    EYE_RINGS,
    IRISES,
    LIDS,
    MOUTH_RING,
    depth_inside,
    jaw_share,
)
from diffmvr.structures import FloatArray

SPACING = 0.35
"""Distance between the vertices around the face, in distances between the eyes."""

_KEEP_OFF = 0.12
_REACH = 0.8
_FACE = 468
"""The landmarks from here on are the irises'."""


@dataclass(frozen=True)
class Mesh:
    """Triangles of a portrait, in the order in which they are painted.

    What lies behind the lids and the lips comes first, on vertices of its own; skin is painted over
    it, so that a lid that comes down covers the eye.

    Attributes:
        around: ``[G, 2]`` canonical, the vertices around the face.
        behind: landmarks of which a second vertex lies behind the lids or the lips: the mouth's
            ring, then each eye's ring and its iris.
        inner: ``[K, 3]`` triangles of those second vertices.
        skin: ``[N, 3]`` triangles of landmarks and of the vertices around the face.

    Vertices are numbered: 478 landmarks, then ``around``, then ``behind``.
    """

    around: FloatArray
    behind: NDArray[np.int64]
    inner: NDArray[np.int64]
    skin: NDArray[np.int64]

    @property
    def triangles(self) -> NDArray[np.int64]:
        """``[K + N, 3]``."""
        return np.concatenate([self.inner, self.skin])


def make_mesh(face: FloatArray, low: FloatArray, high: FloatArray) -> Mesh:
    """Triangulate a portrait.

    Args:
        face: ``[478, 2]`` canonical landmarks.
        low: ``[2]`` canonical, the picture's upper left corner.
        high: ``[2]`` its lower right one.
    """
    around = _surroundings(face, low, high)

    # 1. Skin: of a face with open mouth and eyes: closed ones would be bridged.
    opened = _opened(face)
    outer = len(opened) + np.arange(len(around))
    numbers = np.concatenate([np.arange(_FACE), outer])
    points = np.concatenate([opened[:_FACE], around])
    skin = numbers[Delaunay(points).simplices]
    for hole in (MOUTH_RING, *EYE_RINGS):
        skin = skin[~np.isin(skin, hole).all(axis=1)]

    # 2. Behind it: a fan around each iris, a strip between the lips.
    behind = [*MOUTH_RING]
    first = len(opened) + len(around)
    n = len(MOUTH_RING)
    half = n // 2
    # Upper edge 0 … half, lower edge back from half to n.
    inner = []
    for k in range(half):
        a, b = k, k + 1
        c, d = (n - k) % n, n - k - 1
        inner += [(a, b, d), (a, d, c)]
    for ring, iris in zip(EYE_RINGS, IRISES, strict=True):
        start, centre = len(behind), len(behind) + len(ring)
        behind += [*ring, iris]
        inner += [(start + k, start + (k + 1) % len(ring), centre) for k in range(len(ring))]
    numbered = first + np.array([one for one in inner if len(set(one)) == 3])
    return Mesh(around, np.array(behind), numbered, skin)


def _surroundings(face: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return ``[G, 2]``: a grid over the picture and a little beyond, without the face."""
    axes = [
        np.linspace(a - _REACH, b + _REACH, int(np.ceil((b - a + 2 * _REACH) / SPACING)) + 1)
        for a, b in zip(low, high, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    return grid[depth_inside(face, grid) < -_KEEP_OFF]


def _opened(face: FloatArray) -> FloatArray:
    """Return the face with its mouth and eyes opened wide."""
    opened = face.copy()
    opened[:, 1] += 0.3 * jaw_share(face)
    for upper, lower in LIDS:
        top, bottom = opened[list(upper)], opened[list(lower)]
        middle = 0.5 * (top + bottom)
        bow = 0.1 * np.sin(np.linspace(0, np.pi, len(upper)))
        # Never less open than it is, nor crossed.
        half = np.maximum(0.5 * (bottom - top)[:, 1], bow)
        opened[list(upper), 1] = middle[:, 1] - half
        opened[list(lower), 1] = middle[:, 1] + half
    return opened
