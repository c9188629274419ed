"""A five-finger hand with forearm, in any skin tone, seen from its back or its palm."""

import math
from dataclasses import dataclass

import numpy as np

from diffmvr.data.synthetic.identity import skin_albedo
from diffmvr.data.synthetic.sdf import (
    Float32Array,
    Grid,
    Point,
    Sprite,
    capsule,
    light,
    light_direction,
    make_grid,
    paint,
    smooth_min,
    stack,
    stain,
)
from diffmvr.data.synthetic.shapes import RGB, mix

# Fingers: knuckle (x, y), length, radius at knuckle and tip, lean in radians.
_FINGERS = (
    (-0.37, -0.36, 0.80, 0.135, 0.105, -0.16),
    (-0.12, -0.46, 0.90, 0.140, 0.108, -0.04),
    (0.14, -0.43, 0.84, 0.135, 0.104, 0.06),
    (0.37, -0.30, 0.66, 0.115, 0.088, 0.20),
)
_PALM_LINES = ((-0.42, 0.24, 0.36, 0.42), (0.05, -0.34, 0.5, 0.24), (0.1, -0.5, 0.5, 0.28))
_SLEEVES: tuple[RGB, ...] = (
    (226, 230, 234),
    (92, 138, 178),
    (92, 150, 138),
    (70, 82, 120),
    (176, 120, 140),
)


@dataclass(frozen=True)
class _Digit:
    base: Point
    length: float
    radius: tuple[float, float]
    lean: float
    curl: float

    @property
    def middle(self) -> Point:
        return _ahead(self.base, self.lean, 0.52 * self.length)

    @property
    def end(self) -> Point:
        return _ahead(self.middle, self.lean + self.curl, 0.48 * self.length)


@dataclass(frozen=True)
class _Form:
    """The hand without colour; every array is ``[h, w]``."""

    distance: Float32Array
    palm: Float32Array
    height: Float32Array
    creases: Float32Array
    tips: Float32Array
    nails: Float32Array


def make_hand(rng: np.random.Generator) -> Sprite:
    """Draw a hand; its unit is about the width of the palm."""
    grid = make_grid(-1.25, -1.65, 1.25, 2.3)
    tone = float(rng.uniform())
    skin = skin_albedo(rng, tone)
    form = _form(grid, _sample_digits(rng))
    height = form.height
    rgb = np.empty((*height.shape, 3), np.float32)
    rgb[...] = skin
    stain(rgb, 0.3 * form.tips, mix(skin, (214, 96, 88), 0.6))
    if rng.uniform() < 0.65:
        _paint_back(grid, form, rgb, skin)
    else:
        _paint_palm(grid, form, rgb, skin, tone)
    shade = 0.46 + 0.62 * light(height, light_direction(rng))
    rgb *= (shade * (0.80 + 0.20 * np.clip(-form.distance / 0.06, 0, 1)))[..., None]
    distance = form.distance
    if rng.uniform() < 0.5:
        distance = _add_sleeve(rng, grid, rgb, distance, float(rng.uniform(1.0, 1.6)))
    layers = stack(rgb, distance)
    if rng.uniform() < 0.5:
        layers = np.ascontiguousarray(layers[:, ::-1])
    name = ("light", "brown", "dark")[min(int(tone * 3), 2)]
    return Sprite(layers, grid.origin, 1.36, True, f"a {name}-skinned hand")


def _ahead(start: Point, angle: float, distance: float) -> Point:
    return start[0] + distance * math.sin(angle), start[1] - distance * math.cos(angle)


def _sample_digits(rng: np.random.Generator) -> list[_Digit]:
    spread = float(rng.uniform(0.4, 1.5))
    digits = [
        _Digit(
            base=(x, y),
            length=length * float(rng.uniform(0.93, 1.05)),
            radius=(wide, narrow),
            lean=lean * spread,
            curl=float(rng.uniform(-0.12, 0.12)),
        )
        for x, y, length, wide, narrow, lean in _FINGERS
    ]
    thumb_lean = float(rng.uniform(-1.05, -0.6))
    return [*digits, _Digit((-0.36, 0.22), 0.72, (0.165, 0.115), thumb_lean, 0.35)]


def _form(grid: Grid, digits: list[_Digit]) -> _Form:
    palm = capsule(grid, (-0.26, -0.16), (-0.12, 0.42), 0.26, 0.27)
    for x, top in ((0.0, -0.24), (0.24, -0.12)):
        palm = smooth_min(palm, capsule(grid, (x, top), (0.1, 0.42), 0.24, 0.25), 0.1)
    palm = smooth_min(palm, capsule(grid, (0.0, 0.5), (0.0, 2.5), 0.27, 0.42), 0.16)
    height = np.float32(0.30) * np.sqrt(np.clip(-palm / 0.30, 0, 1))
    creases, tips, nails = (np.zeros_like(palm) for _ in range(3))
    distance = palm.copy()
    for digit in digits:
        (x0, y0), (x1, y1) = digit.base, digit.end
        # Beyond this margin a finger changes nothing but far, positive distances.
        margin = 0.34
        here = grid.window(
            min(x0, x1) - margin, min(y0, y1) - margin, max(x0, x1) + margin, max(y0, y1) + margin
        )
        local = grid[here]
        radius = 0.5 * sum(digit.radius)
        finger = smooth_min(
            capsule(local, digit.base, digit.middle, digit.radius[0], radius),
            capsule(local, digit.middle, digit.end, radius, digit.radius[1]),
            0.03,
        )
        sin, cos = math.sin(digit.lean), math.cos(digit.lean)
        along = (local.x - x0) * sin - (local.y - y0) * cos
        # Lifted over the palm and round across.
        lifted = 0.16 + 0.9 * radius * np.sqrt(np.clip(-finger / radius, 0, 1))
        lifted *= np.clip((along + 0.25) / 0.3, 0, 1)
        height[here] = np.where(finger < 0, np.maximum(height[here], lifted), height[here])
        distance[here] = smooth_min(distance[here], finger, 0.045)
        inside = np.clip(-finger / 0.04, 0, 1)
        for share, depth in ((0.5, 0.5), (0.72, 0.35)):
            line = np.exp(-(((along - share * digit.length) / 0.022) ** 2))
            creases[here] = np.maximum(creases[here], depth * inside * line)
        tip = inside * np.exp(-(((along - digit.length) / 0.16) ** 2))
        tips[here] = np.maximum(tips[here], tip)
        nails[here] = np.maximum(nails[here], _nail(local, digit))
    return _Form(distance, palm, height, creases, tips, nails)


def _nail(grid: Grid, digit: _Digit) -> Float32Array:
    angle = digit.lean + digit.curl
    x, y = _ahead(digit.end, angle, 0.02)
    u = (grid.x - x) * math.cos(angle) + (grid.y - y) * math.sin(angle)
    v = (grid.x - x) * math.sin(angle) - (grid.y - y) * math.cos(angle)
    tip = digit.radius[1]
    oval = (np.abs(u) / (0.66 * tip)) ** 2.4 + (np.abs(v) / (0.85 * tip)) ** 2.4
    return np.asarray(np.clip((1.15 - oval) / 0.3, 0, 1))


def _paint_back(grid: Grid, form: _Form, rgb: Float32Array, skin: RGB) -> None:
    """Paint knuckles, folds over the joints and nails; raise the knuckles."""
    stain(rgb, 0.75 * form.creases, mix(skin, (60, 20, 16), 0.4))
    for x, y, *_ in _FINGERS:
        here = grid.window(x - 0.3, y - 0.3, x + 0.3, y + 0.3)
        local = grid[here]
        knuckle = np.exp(-(((local.x - x) / 0.09) ** 2 + ((local.y - y - 0.04) / 0.08) ** 2))
        form.height[here] += 0.035 * knuckle
        stain(rgb[here], 0.22 * knuckle, mix(skin, (200, 90, 84), 0.6))
    stain(rgb, form.nails, mix((246, 200, 192), skin, 0.35))


def _paint_palm(grid: Grid, form: _Form, rgb: Float32Array, skin: RGB, tone: float) -> None:
    """Paint the lighter skin of the palm, its lines and those of the fingers."""
    palm = mix(skin, (236, 176, 158), 0.25 + 0.4 * tone)
    stain(rgb, 0.85 * np.clip((0.95 - grid.y) / 0.3, 0, 1), palm)
    stain(rgb, 0.8 * form.creases, mix(palm, (110, 40, 36), 0.45))
    inside = np.clip((-0.04 - form.palm) / 0.04, 0, 1) * (grid.y < 0.55)
    for x, y, half_width, half_height in _PALM_LINES:
        ring = np.sqrt(((grid.x - x) / half_width) ** 2 + ((grid.y - y) / half_height) ** 2) - 1
        stain(rgb, 0.4 * inside * np.exp(-((ring / 0.05) ** 2)), mix(palm, (110, 40, 36), 0.6))


def _add_sleeve(
    rng: np.random.Generator, grid: Grid, rgb: Float32Array, distance: Float32Array, start: float
) -> Float32Array:
    """Paint a sleeve over the forearm from ``start`` on; returns the new distance."""
    cloth = np.asarray(_SLEEVES[int(rng.integers(len(_SLEEVES)))], dtype=np.float32)
    edge = np.abs(grid.x) - 0.46 - 0.03 * np.sin(9 * grid.y)
    sleeve = np.maximum(edge, start - grid.y)
    folds = 0.93 + 0.07 * np.sin(11 * grid.y + 5 * grid.x)
    around = 0.62 + 0.4 * np.sqrt(np.clip(1 - (grid.x / 0.5) ** 2, 0, 1))
    cuff = 1 - 0.2 * np.exp(-(((grid.y - start - 0.1) / 0.02) ** 2))
    shaded = cloth * (around * folds * cuff)[..., None]
    return paint(rgb, distance, sleeve, shaded)
