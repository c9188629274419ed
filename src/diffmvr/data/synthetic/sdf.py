"""Signed distances: how a sprite is made of capsules, boxes and waves.

A sprite is a colour picture and a signed distance (negative inside) on one texel grid.  It reaches
in from below: +y leads away from the face, and its lowest row goes on for ever, so that a forearm
never ends.  Distances stay smooth when enlarged, hence the outline is crisp at every frame size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.shapes import RGB

Float32Array = NDArray[np.float32]
Point = tuple[float, float]
Window = tuple[slice, slice]
TEXELS = 44  # texels per sprite unit


@dataclass(frozen=True)
class Sprite:
    """A thing that hides.

    Attributes:
        layers: ``[h, w, 4]`` float32: RGB 0–255 and the signed distance in sprite units.
        origin: sprite coordinates (x, y) of the first texel's centre.
        front: how far the sprite reaches beyond its anchor (0, 0) towards -y.
        bends: whether the part above the anchor may bend (fingers).
        description: words for a caption.
    """

    layers: Float32Array
    origin: Point
    front: float
    bends: bool
    description: str


@dataclass(frozen=True)
class Grid:
    """Sprite coordinates of a rectangle of texels.

    Attributes:
        x: ``[h, w]``.
        y: ``[h, w]``.
        origin: (x, y) of the whole grid's first texel.
    """

    x: Float32Array
    y: Float32Array
    origin: Point

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """Return the rows and columns of a rectangle in sprite units."""
        first, last = (int((v - self.origin[0]) * TEXELS) for v in (left, right))
        high, low = (int((v - self.origin[1]) * TEXELS) for v in (top, bottom))
        return slice(max(high, 0), max(low + 2, 0)), slice(max(first, 0), max(last + 2, 0))

    def turned(self, tilt: float, height: float) -> tuple[Float32Array, Float32Array]:
        """Return ``[h, w]`` twice: how far each texel lies along a line and across it.

        Args:
            tilt: angle of the line, in radians.
            height: where it crosses x = 0.
        """
        cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
        y = self.y - height
        return self.x * cos + y * sin, y * cos - self.x * sin

    def __getitem__(self, window: Window) -> "Grid":
        return Grid(self.x[window], self.y[window], self.origin)


def make_grid(left: float, top: float, right: float, bottom: float) -> Grid:
    """Return the texels of a rectangle in sprite units."""
    x = np.arange(left, right, 1 / TEXELS)
    y = np.arange(top, bottom, 1 / TEXELS)
    columns, rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return Grid(columns, rows, (left, top))


def capsule(grid: Grid, a: Point, b: Point, radius_a: float, radius_b: float) -> Float32Array:
    """Return the distance to a segment from ``a`` to ``b`` with a radius at each end."""
    px, py = grid.x - a[0], grid.y - a[1]
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
    distance = np.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2)
    return np.asarray(distance - (radius_a + (radius_b - radius_a) * t))


def smooth_min(a: Float32Array, b: Float32Array, width: float) -> Float32Array:
    """Return a minimum of two distances that rounds the corner between them."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    return np.asarray(b + (a - b) * h - width * h * (1.0 - h))


def light(height: Float32Array, direction: tuple[float, float, float]) -> Float32Array:
    """Light a height field in sprite units; returns the brightness in [0, 1.15]."""
    gy, gx = np.gradient(height, 1 / TEXELS)
    gx, gy = np.clip(gx, -2.5, 2.5), np.clip(gy, -2.5, 2.5)
    facing = (-gx * direction[0] - gy * direction[1] + direction[2]) / np.sqrt(gx**2 + gy**2 + 1.0)
    return np.asarray(np.clip((facing + 0.3) / 1.3, 0.0, 1.15))


def light_direction(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the direction to a light that stands before the sprite."""
    x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.2)
    length = float(np.sqrt(x * x + y * y + 1.0))
    return float(x) / length, float(y) / length, 1.0 / length


def stack(rgb: Float32Array, distance: Float32Array) -> Float32Array:
    """Return a sprite's ``[h, w, 4]`` layers."""
    layers = np.concatenate([np.clip(rgb, 0, 255), distance[..., None]], axis=-1)
    return np.ascontiguousarray(layers, dtype=np.float32)


def stain(
    rgb: Float32Array, share: NDArray[np.floating[Any]], colour: RGB | NDArray[np.floating[Any]]
) -> None:
    """Blend ``colour``, of all texels or of each, into ``rgb`` in place by ``share`` in [0, 1]."""
    rgb += share[..., None] * (np.asarray(colour, dtype=np.float32) - rgb)


def paint(
    rgb: Float32Array,
    distance: Float32Array,
    shape: Float32Array,
    colour: NDArray[np.floating[Any]],
) -> Float32Array:
    """Paint a shape over what is there, in place; return the distance to both.

    Args:
        rgb: ``[h, w, 3]`` what is there.
        distance: ``[h, w]`` the distance to it.
        shape: ``[h, w]`` the distance to the shape.
        colour: ``[h, w, 3]`` of the shape.
    """
    stain(rgb, np.clip(0.5 - shape * TEXELS, 0, 1), colour)
    return np.minimum(distance, shape)
