"""From a mesh in a new shape to a picture: one look-up for each pixel.

Within a triangle everything is an affine function of the pixel: where it comes from in each of the
two pictures, how much of the second it shows, how light it is.  Each frame the triangles are
painted as numbers, and every pixel looks up its triangle's functions.

Legend: V vertices, N triangles, C values.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.structures import FloatArray, UInt8Array

Float32Array = NDArray[np.float32]

_SHIFT = 4
CAVITY = (38.0, 16.0, 16.0)
"""Colour of an open mouth where no picture shows what is in it."""


def warp(
    images: tuple[UInt8Array, UInt8Array],
    shape: FloatArray,
    triangles: NDArray[np.int64],
    sources: FloatArray,
    blend: FloatArray,
    light: FloatArray,
    size: int,
) -> Float32Array:
    """Return ``[size, size, C]`` float32 0–255: the pictures in a new shape.

    Args:
        images: the two pictures, RGB; the first may have more channels, which are 0 in the second.
        shape: ``[V, 2]`` vertices in pixels of the result.
        triangles: ``[N, 3]`` in the order in which they are painted.
        sources: ``[2, V, 2]`` vertices in pixels of each picture.
        blend: ``[V]`` share of the second picture.
        light: ``[V]`` factors.
        size: side of the result in pixels.
    """
    numbers = paint_triangles(shape, triangles, size)
    bare = numbers < 0

    # 1. The first picture everywhere.
    whole = (slice(0, size), slice(0, size))
    at = _evaluate(affine_functions(shape, triangles, sources[0]), numbers, whole)
    result = _look_up(images[0], at).astype(np.float32)

    # 2. The second picture, and shade, where there are any.
    mixed = ((blend > 0) | (light != 1)).nonzero()[0]
    touched = shape[np.unique(triangles[np.isin(triangles, mixed).any(axis=1)])]
    if len(touched):
        x0, y0 = np.clip(np.floor(touched.min(axis=0)).astype(int) - 1, 0, size)
        x1, y1 = np.clip(np.ceil(touched.max(axis=0)).astype(int) + 2, 0, size)
        part = (slice(y0, y1), slice(x0, x1))
        values = np.column_stack([sources[1], blend, light])
        at = _evaluate(affine_functions(shape, triangles, values), numbers, part)
        second = _look_up(images[1], at[..., :2])
        face = result[part][..., :3]
        face += np.clip(at[..., 2:3], 0, 1) * (second - face)
        face *= np.clip(at[..., 3:4], 0, 1)
    result[bare] = 0
    result[bare, :3] = CAVITY
    return result


def paint_triangles(
    shape: FloatArray, triangles: NDArray[np.int64], size: int
) -> NDArray[np.int32]:
    """Return ``[size, size]``: the number of the last triangle over each pixel, −1 for none."""
    numbers = np.full((size, size), -1, np.int32)
    corners = np.rint(shape[triangles] * (1 << _SHIFT)).astype(np.int32)
    for number, points in enumerate(corners):
        cv2.fillConvexPoly(numbers, points, number, cv2.LINE_8, _SHIFT)
    return numbers


def affine_functions(
    shape: FloatArray, triangles: NDArray[np.int64], values: FloatArray
) -> Float32Array:
    """Return ``[N, 3, C]``: a triangle's values are (x, y, 1) @ its matrix.

    Args:
        shape: ``[V, 2]`` pixels.
        triangles: ``[N, 3]``; one without an area is constant.
        values: ``[V, C]``.
    """
    a, b, c = (shape[triangles[:, k]] for k in range(3))
    va, vb, vc = (values[triangles[:, k]] for k in range(3))
    (bx, by), (cx, cy) = (b - a).T[..., None], (c - a).T[..., None]
    area = bx * cy - by * cx
    area = np.where(np.abs(area) < 1e-6, np.inf, area)
    gx = (cy * (vb - va) - by * (vc - va)) / area
    gy = (bx * (vc - va) - cx * (vb - va)) / area
    return np.stack([gx, gy, va - gx * a[:, :1] - gy * a[:, 1:]], axis=1).astype(np.float32)


def draw_lashes(image: Float32Array, edges: FloatArray, strength: float) -> None:
    """Darken lines along the edges of closed lids, in place.

    Args:
        image: ``[H, W, 3]``.
        edges: ``[2, n, 2]`` pixels, of the left and of the right eye.
        strength: in [0, 1].
    """
    unit = float(np.linalg.norm(edges[0].mean(axis=0) - edges[1].mean(axis=0)))
    line = np.zeros(image.shape[:2], np.uint8)
    points = np.rint(edges * (1 << _SHIFT)).astype(np.int32)
    thickness = max(1, round(0.03 * unit))
    cv2.polylines(line, list(points), False, 255, thickness, cv2.LINE_AA, _SHIFT)
    soft = cv2.GaussianBlur(line, (0, 0), max(0.5, 0.012 * unit)).astype(np.float32)
    image *= 1.0 - np.float32(strength / 255) * soft[..., None]


def _evaluate(
    functions: Float32Array, numbers: NDArray[np.int32], part: tuple[slice, slice]
) -> Float32Array:
    """Return ``[h, w, C]``: the functions' values at the pixels of a part of the picture."""
    rows, columns = (np.arange(one.start, one.stop, dtype=np.float32) for one in part)
    own = numbers[part]
    chosen = functions.reshape(len(functions), -1).take(own.ravel(), axis=0)
    gx, gy, constant = np.moveaxis(chosen.reshape(*own.shape, 3, -1), 2, 0)
    return np.asarray(gx * columns[:, None] + (gy * rows[:, None, None] + constant))


def _look_up(image: UInt8Array, at: Float32Array) -> UInt8Array:
    x, y = (np.ascontiguousarray(at[..., axis]) for axis in range(2))
    return np.asarray(
        cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )
