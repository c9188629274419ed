"""What may hide the face: the choice of sprites, and those that are not hands."""

import numpy as np

from diffmvr.data.synthetic.hand import make_hand
from diffmvr.data.synthetic.sdf import (
    TEXELS,
    Sprite,
    light,
    light_direction,
    make_grid,
    paint,
    stack,
    stain,
)
from diffmvr.data.synthetic.shapes import RGB, mix
from diffmvr.data.synthetic.textiles import make_cloth, make_tape

KINDS = ("hand", "tube", "blanket", "tape", "cloth")

_HOSES: tuple[RGB, ...] = ((196, 220, 226), (226, 228, 220), (150, 196, 214))
_CONNECTORS: tuple[RGB, ...] = ((120, 160, 190), (206, 214, 218), (132, 178, 150))
_TAPE: RGB = (240, 234, 218)
_BLANKETS: tuple[RGB, ...] = (
    (150, 184, 216),
    (232, 190, 196),
    (238, 226, 190),
    (168, 206, 182),
    (188, 168, 210),
    (222, 222, 226),
    (120, 128, 168),
    (204, 112, 104),
)


def make_sprite(rng: np.random.Generator, kind: str) -> Sprite:
    """Draw an occluder of ``kind``, one of ``KINDS``."""
    make = {
        "hand": make_hand,
        "tube": _tube,
        "blanket": _blanket,
        "tape": make_tape,
        "cloth": make_cloth,
    }
    return make[kind](rng)


def _tube(rng: np.random.Generator) -> Sprite:
    """A corrugated breathing tube with its connector, held by two strips of tape."""
    grid = make_grid(-1.35, -0.75, 1.35, 2.6)
    bend, radius = float(rng.uniform(-0.3, 0.3)), 0.24
    across = grid.x - bend * np.sin(np.clip(grid.y, 0, 2.2) / 2.2 * np.pi)
    distance = np.maximum(np.abs(across) - radius, -grid.y)
    hose = np.asarray(_HOSES[int(rng.integers(len(_HOSES)))], dtype=np.float32)
    ribs = 0.90 + 0.10 * np.sin(grid.y * 2 * np.pi / 0.16)
    around = np.sqrt(np.clip(1 - (across / radius) ** 2, 0, 1))
    rgb = hose * ((0.55 + 0.45 * around) * ribs)[..., None]
    stain(rgb, 0.6 * np.exp(-(((across + 0.09) / 0.035) ** 2)), (252, 254, 255))

    cone = np.sqrt((across / 1.15) ** 2 + ((grid.y + 0.08) / 0.9) ** 2) - 0.36
    plastic = np.asarray(_CONNECTORS[int(rng.integers(len(_CONNECTORS)))], dtype=np.float32)
    shaded = plastic * (0.6 + 0.5 * np.clip(-cone / 0.3, 0, 1))[..., None]
    distance = paint(rgb, distance, cone, shaded)

    tape = np.asarray(_TAPE, dtype=np.float32) * float(rng.uniform(0.9, 1.0))
    for height in (0.34, float(rng.uniform(1.0, 1.3))):
        tilt, half = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(0.75, 1.05))
        u, v = grid.turned(tilt, height)
        box = np.maximum(np.abs(u) - half, np.abs(v) - 0.16)
        relief = 0.86 + 0.14 * np.sqrt(np.clip(1 - (across / 0.34) ** 2, 0, 1))
        shaded = tape * (relief * (0.985 + 0.015 * np.sin(u * 40)))[..., None]
        distance = paint(rgb, distance, box, shaded)
    return Sprite(stack(rgb, distance), grid.origin, 0.42, False, "a taped tube")


def _blanket(rng: np.random.Generator) -> Sprite:
    """A blanket's wavy edge with a hem, folds and a pattern."""
    grid = make_grid(-3.0, -0.5, 3.0, 2.4)
    phase = [float(p) for p in rng.uniform(0, 2 * np.pi, 3)]
    edge = 0.12 * np.sin(1.3 * grid.x + phase[0]) + 0.05 * np.sin(3.1 * grid.x + phase[1])
    below = grid.y - edge - float(rng.uniform(-0.12, 0.12)) * grid.x
    first, second = (int(i) for i in rng.choice(len(_BLANKETS), 2, replace=False))
    other = mix(_BLANKETS[first], _BLANKETS[second], 0.6)
    rgb = np.empty((*below.shape, 3), np.float32)
    rgb[...] = _BLANKETS[first]
    pattern = int(rng.integers(4))
    if pattern == 0:
        stain(rgb, np.clip(3 * np.sin(below * 14) + 0.5, 0, 1), other)
    elif pattern == 1:
        stain(rgb, 0.5 * np.clip(3 * np.sin(grid.x * 11) + 0.5, 0, 1), other)
        stain(rgb, 0.5 * np.clip(3 * np.sin(below * 11) + 0.5, 0, 1), other)
    elif pattern == 2:
        stain(rgb, np.clip(6 * (np.sin(grid.x * 8) * np.sin(below * 8) - 0.55), 0, 1), other)
    stain(rgb, np.clip((0.13 - below) * TEXELS, 0, 1), mix(other, (255, 255, 255), 0.45))
    height = 0.10 * np.sin(2.2 * grid.x + 0.9 * below + phase[2])
    height += 0.05 * np.sin(4.7 * grid.x - 1.1 * below + phase[0])
    height += 0.10 * np.sqrt(np.clip(below / 0.1, 0, 1))
    height -= 0.03 * np.exp(-(((below - 0.14) / 0.02) ** 2))
    rgb *= (0.5 + 0.56 * light(height, light_direction(rng)))[..., None]
    return Sprite(stack(rgb, -below), grid.origin, 0.6, False, "a blanket")
