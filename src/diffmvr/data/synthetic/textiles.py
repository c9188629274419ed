"""Flat things that may hide a face: strips of tape, and a piece of cloth."""

import numpy as np

from diffmvr.data.synthetic.sdf import (
    Sprite,
    light,
    light_direction,
    make_grid,
    paint,
    stack,
    stain,
)
from diffmvr.data.synthetic.shapes import RGB, mix

_TAPES: tuple[RGB, ...] = (
    (242, 238, 228),
    (226, 196, 164),
    (196, 152, 112),
    (58, 58, 62),
    (118, 150, 182),
)
_CLOTHS: tuple[RGB, ...] = (
    (236, 240, 242),
    (150, 196, 206),
    (36, 40, 50),
    (150, 46, 52),
    (70, 92, 66),
    (206, 180, 120),
    (92, 98, 150),
)


def make_tape(rng: np.random.Generator) -> Sprite:
    """One to three strips of tape with torn ends, stuck over each other."""
    grid = make_grid(-1.3, -0.9, 1.3, 0.9)
    colour = _TAPES[int(rng.integers(len(_TAPES)))]
    rgb = np.empty((*grid.x.shape, 3), np.float32)
    rgb[...] = colour
    distance = np.full(grid.x.shape, np.inf, np.float32)
    first = float(rng.uniform(-0.5, 0.5))
    for number in range(int(rng.integers(1, 4))):
        tilt = first if number == 0 else first + float(rng.uniform(0.4, 1.2)) * (-1) ** number
        height, half = float(rng.uniform(-0.2, 0.2)), float(rng.uniform(0.7, 1.0))
        width = float(rng.uniform(0.16, 0.3))
        u, v = grid.turned(tilt, height)
        torn = 0.03 * np.sin(34 * v + float(rng.uniform(0, 6))) + 0.02 * np.sin(91 * v)
        strip = np.maximum(np.abs(u) - half + torn, np.abs(v) - width)
        height_field = 0.012 * np.sin(23 * u + 3 * np.sin(5 * v)) + 0.02 * np.sin(6 * v + 2 * u)
        shade = 0.62 + 0.42 * light(height_field, light_direction(rng))
        fibres = 1.0 + 0.03 * np.sin(150 * v)
        shaded = np.asarray(colour, np.float32) * (shade * fibres)[..., None]
        distance = paint(rgb, distance, strip, shaded)
    return Sprite(stack(rgb, distance), grid.origin, 0.9, False, "strips of tape")


def make_cloth(rng: np.random.Generator) -> Sprite:
    """A piece of woven cloth with a soft outline, folds, and at times a printed pattern."""
    grid = make_grid(-1.5, -1.3, 1.5, 1.3)
    phase = rng.uniform(0, 2 * np.pi, 4)
    wide, high = float(rng.uniform(0.8, 1.15)), float(rng.uniform(0.6, 0.95))
    x, y = grid.x / wide, grid.y / high
    power = float(rng.uniform(2.2, 5.0))
    radius = (np.abs(x) ** power + np.abs(y) ** power) ** (1 / power)
    angle = np.arctan2(y, x)
    uneven = 0.05 * np.sin(3 * angle + phase[0]) + 0.025 * np.sin(7 * angle + phase[1])
    # Near the outline, about a distance.
    distance = (radius - 1 - uneven) * min(wide, high)
    colour = _CLOTHS[int(rng.integers(len(_CLOTHS)))]
    other = mix(_CLOTHS[int(rng.integers(len(_CLOTHS)))], colour, 0.3)
    rgb = np.empty((*grid.x.shape, 3), np.float32)
    rgb[...] = colour
    pattern = int(rng.integers(5))
    if pattern == 0:
        stain(rgb, np.clip(3 * np.sin(grid.y * 13 + phase[2]) + 0.5, 0, 1), other)
    elif pattern == 1:
        stain(rgb, np.clip(5 * (np.sin(grid.x * 9) * np.sin(grid.y * 9) - 0.4), 0, 1), other)
    elif pattern == 2:
        stain(rgb, 0.6 * np.clip(4 * np.sin(grid.x * 16) + 0.5, 0, 1), other)
        stain(rgb, 0.6 * np.clip(4 * np.sin(grid.y * 16) + 0.5, 0, 1), other)
    stain(rgb, np.exp(-(((distance + 0.06) / 0.012) ** 2)) * 0.5, mix(colour, (0, 0, 0), 0.5))
    folds = 0.09 * np.sin(3.2 * grid.x + 1.4 * grid.y + phase[3])
    folds += 0.05 * np.sin(6.1 * grid.y - 2.3 * grid.x + phase[2])
    folds += 0.12 * np.sqrt(np.clip(-distance / 0.15, 0, 1))
    weave = 1.0 + 0.035 * np.sin(130 * grid.x) * np.sin(130 * grid.y)
    rgb *= ((0.45 + 0.6 * light(folds, light_direction(rng))) * weave)[..., None]
    return Sprite(stack(rgb, distance), grid.origin, 1.2, False, "a cloth")
