"""Other walls behind people who were photographed in front of a plain light one.

A light wall is multiplied by the new one: hair is seen against it as it was, strand by strand, for
what is dark stays dark.  Where the wall is not plain nothing is changed.

Legend: H × W pixels of a picture, S × S of a frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.structures import FloatArray, UInt8Array

Float32Array = NDArray[np.float32]

NEAR = 16.0
"""Grey levels by which a wall may differ from the smooth one fitted to it."""
PLAIN = 0.85
"""Share of what is beside the head that must be wall."""
RIM, HAIR = 0.012, 0.16
"""How far the wall's light reaches over a person's outline and into hair, in widths of the face."""
CLOTHES = 0.1
"""How far below the chin clothes begin, in widths of the face; from as far above it on, what is
grey is hair."""
GREYISH = 18.0
"""Difference of red and blue by which skin is told from hair before a wall."""
DARKEST, LIGHTEST = 0.4, 1.12
"""Range of the factors."""


def find_backdrop(image: UInt8Array, points: FloatArray) -> UInt8Array | None:
    """Find the plain wall behind a person.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        points: ``[478, 2]`` landmarks, pixels.

    Returns:
        ``[H, W]`` uint8, 255 on the wall and 0 on the person, or ``None`` where it is not plain.
    """
    height, width = image.shape[:2]
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    face = right - left
    y, x = np.mgrid[:height, :width].astype(np.float32)
    soft = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32)

    # 1. A smooth wall, fitted to what is beside the head.
    beside = (np.abs(x - 0.5 * (left + right)) > 0.95 * face) & (y < bottom - 0.1 * face)
    u, v = x / width - 0.5, y / height - 0.5
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)
    if beside.mean() < 0.02:
        return None
    used = beside & (np.abs(soft - np.median(soft[beside], axis=0)).max(axis=2) < 2 * NEAR)
    if used.sum() < PLAIN * beside.sum():
        return None
    wall = terms @ np.linalg.lstsq(terms[used], soft[used], rcond=None)[0]
    distance = np.abs(soft - wall).max(axis=2)

    # 2. What resembles it and is joined to the picture's edge, by more than a thread.
    near = (distance < NEAR).astype(np.uint8)
    thick = cv2.erode(near, np.ones((3, 3), np.uint8))
    _, parts = cv2.connectedComponents(thick, connectivity=4)
    rows = slice(0, int(0.75 * height))
    touching = np.unique(np.concatenate([parts[0], parts[rows, 0], parts[rows, -1]]))
    # Between the eyes' height, above which skin shines as light, and the clothes also what hair
    # encloses.
    locks = (y > 0.7 * top + 0.3 * bottom) & (y < bottom + CLOTHES * face)
    joined = (np.isin(parts, touching[touching > 0]) | (thick > 0) & locks).astype(np.uint8)

    # 3. The rim, which has light of both; and hair, which the wall shines through or which stays
    # dark when it is multiplied.  Skin is known by its colour.
    apart = cv2.distanceTransform(1 - joined, cv2.DIST_L2, 3) / face
    rim = np.clip(2.0 - apart / RIM, 0, 1)
    colour = np.abs((soft[..., 0] - soft[..., 2]) - (wall[..., 0] - wall[..., 2]))
    hair = np.clip(2.0 - colour / GREYISH, 0, 1) * np.clip(2.0 - apart / (0.5 * HAIR), 0, 1)
    alpha = np.maximum(rim, np.where(y < bottom - CLOTHES * face, hair, 0.0)).astype(np.float32)
    outline = cv2.convexHull(points.astype(np.float32))
    cv2.fillConvexPoly(alpha, np.rint(outline).astype(np.int32), 0.0)
    return np.rint(cv2.GaussianBlur(255 * alpha, (0, 0), 0.5)).astype(np.uint8)


def draw_backdrop(rng: np.random.Generator, size: int) -> Float32Array:
    """Draw another wall: factors ``[S, S, 3]`` on the light of the plain one.

    Args:
        rng: source of everything random.
        size: S; the wall is the same at each.
    """
    side = 128
    base = float(rng.uniform(0.5, 1.05)) * (1 + rng.uniform(-0.18, 0.18, 3))
    wall = np.ones((side, side, 3), np.float32) * base.astype(np.float32)
    kind = str(rng.choice(("plain", "blotches", "room", "stripes")))
    if kind == "blotches":
        for cells, depth in ((5, 0.16), (17, 0.08)):
            coarse = rng.normal(0, depth, (cells, cells, 1)) * [1.0, 1.0, 1.0]
            coarse += rng.normal(0, 0.25 * depth, (cells, cells, 3))
            wall *= 1 + cv2.resize(coarse.astype(np.float32), (side, side))
    elif kind == "stripes":
        angle, step = rng.uniform(-0.3, 0.3), rng.uniform(5, 22)
        x, y = np.meshgrid(np.arange(side), np.arange(side))
        wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / step)
        wall *= (1 + rng.uniform(0.05, 0.25) * wave)[..., None].astype(np.float32)
    elif kind == "room":
        # Furniture and pictures, out of focus.
        for _ in range(int(rng.integers(4, 10))):
            x0, y0 = rng.integers(-20, side, 2)
            x1, y1 = x0 + rng.integers(10, 70), y0 + rng.integers(10, 90)
            colour = (base * rng.uniform(0.45, 1.4) * (1 + rng.uniform(-0.2, 0.2, 3))).tolist()
            cv2.rectangle(wall, (int(x0), int(y0)), (int(x1), int(y1)), colour, -1)
        wall = np.asarray(cv2.GaussianBlur(wall, (0, 0), float(rng.uniform(1.5, 5))), np.float32)
    light = rng.uniform(-0.2, 0.2, 2)
    axis = np.linspace(-1, 1, side)
    wall *= (1 + light[0] * axis[None, :] + light[1] * axis[:, None])[..., None].astype(np.float32)
    wall = np.clip(wall, DARKEST, LIGHTEST)
    return np.asarray(cv2.resize(wall, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def hang(scene: Float32Array, wall: Float32Array, matrix: FloatArray) -> Float32Array:
    """Put another wall behind a scene; return ``[S, S, 3]``.

    Args:
        scene: ``[S, S, 4]`` 0–255, the fourth channel 255 on the wall.
        wall: ``[S, S, 3]`` factors.
        matrix: ``[2, 3]`` pixels of the wall → pixels of this frame: the camera's motion.
    """
    moved = cv2.warpAffine(wall, matrix, wall.shape[:2], borderMode=cv2.BORDER_REPLICATE)
    share = scene[..., 3:] * np.float32(1 / 255)
    return np.asarray(scene[..., :3] * (1 + share * (moved - 1)), np.float32)
