"""What lies behind the head: blanket or incubator, and the clothed shoulders."""

from dataclasses import dataclass

import cv2
import numpy as np

from diffmvr.data.synthetic.identity import Identity
from diffmvr.data.synthetic.raster import canvas_size, shrink, to_canvas
from diffmvr.data.synthetic.rng import FloatArray
from diffmvr.data.synthetic.shapes import RGB, mix
from diffmvr.structures import UInt8Array

PATTERNS = ("plain", "stripes", "dots", "checks", "incubator", "quilt")

COLOURS: dict[str, RGB] = {
    "white": (232, 230, 226),
    "cream": (232, 218, 190),
    "pink": (226, 170, 184),
    "blue": (140, 176, 214),
    "mint": (164, 208, 184),
    "yellow": (236, 216, 140),
    "grey": (168, 170, 176),
    "purple": (166, 146, 200),
    "teal": (74, 140, 146),
    "navy": (58, 74, 118),
    "red": (182, 78, 76),
    "brown": (134, 104, 82),
}


@dataclass(frozen=True)
class Scene:
    """What is behind the head in a clip, the same in every frame.

    Attributes:
        image: ``[H, W, 3]`` uint8.
        pattern: one of ``PATTERNS``.
        colour: name of its main colour, one of ``COLOURS``.
    """

    image: UInt8Array
    pattern: str
    colour: str


def render_scene(
    rng: np.random.Generator, identity: Identity, head: FloatArray, scale: float, size: int
) -> Scene:
    """Paint background, neck and clothes.

    Args:
        rng: the clip's background stream.
        identity: the subject, for the neck's skin.
        head: ``[2]`` frame coordinates of the clip's mean head centre.
        scale: mean distance between the eyes as a share of the frame's side.
        size: side of the frame in pixels.
    """
    pattern = str(rng.choice(PATTERNS))
    name, other, cloth = (str(c) for c in rng.choice(list(COLOURS), 3, replace=False))
    side = canvas_size(size)
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = np.rint(COLOURS[name]).astype(np.uint8)
    _paint_pattern(rng, canvas, pattern, COLOURS[name], COLOURS[other])
    _paint_body(rng, canvas, identity, head, scale, COLOURS[cloth])
    image = shrink(canvas, size).astype(np.float32) * _falloff(rng, pattern, size)
    return Scene(np.clip(np.rint(image), 0, 255).astype(np.uint8), pattern, name)


def _fill(canvas: UInt8Array, points: FloatArray, rgb: RGB) -> None:
    cv2.fillPoly(canvas, [to_canvas(points, canvas.shape[0])], rgb, cv2.LINE_8, 4)


def _paint_pattern(
    rng: np.random.Generator, canvas: UInt8Array, pattern: str, main: RGB, other: RGB
) -> None:
    second = mix(main, other, float(rng.uniform(0.25, 0.6)))
    angle = float(rng.uniform(0, np.pi))
    step = float(rng.uniform(0.09, 0.17))
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    positions = np.arange(-1.0, 1.0, step)
    if pattern in ("stripes", "checks"):
        directions = ((along, across), (across, along))[: 1 if pattern == "stripes" else 2]
        for k, (u, v) in enumerate(directions):
            tone = second if k == 0 else mix(second, main, 0.45)
            for p in positions:
                ends = np.array([-u, u, u, -u])
                sides = np.array([p, p, p + 0.42 * step, p + 0.42 * step])[:, None] * v
                _fill(canvas, 0.5 + ends + sides, tone)
    elif pattern == "dots":
        ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        circle = 0.24 * step * np.stack([np.cos(ring), np.sin(ring)], axis=-1)
        for i, p in enumerate(positions):
            for q in positions + (0.5 * step if i % 2 else 0.0):
                _fill(canvas, 0.5 + p * along + q * across + circle, second)
    elif pattern == "quilt":
        wide = 2.2 * step
        for p in np.arange(-1.0, 1.0, wide):
            for u, v in ((along, across), (across, along)):
                seam = (
                    np.array([-u, u, u, -u]) + np.array([p, p, p + 0.012, p + 0.012])[:, None] * v
                )
                _fill(canvas, 0.5 + seam, mix(main, (40, 40, 60), 0.22))
    elif pattern == "incubator":
        height = canvas.shape[0]
        ramp = np.linspace(0.0, 1.0, height)[:, None, None]
        glass = np.asarray(mix(main, (206, 220, 228), 0.72))
        canvas[:] = np.rint(glass * (1.06 - 0.3 * ramp)).clip(0, 255).astype(np.uint8)
        for x in rng.uniform(0.0, 1.0, 2):
            bar = np.array([(x, -0.1), (x + 0.035, -0.1), (x + 0.09, 1.1), (x + 0.05, 1.1)])
            _fill(canvas, bar, mix((206, 220, 228), (255, 255, 255), 0.5))
        y = float(rng.uniform(0.06, 0.3))
        rail = np.array([(-0.1, y), (1.1, y + 0.03), (1.1, y + 0.075), (-0.1, y + 0.045)])
        _fill(canvas, rail, mix(main, (120, 136, 150), 0.6))


def _paint_body(
    rng: np.random.Generator,
    canvas: UInt8Array,
    identity: Identity,
    head: FloatArray,
    scale: float,
    cloth: RGB,
) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return float(head[0] + scale * x), float(head[1] + scale * y)

    def lowered(line: FloatArray, by: float) -> FloatArray:
        return line + np.array([0.0, by * scale])

    neck = np.array([at(-0.62, 0.7), at(0.62, 0.7), at(0.74, 1.9), at(-0.74, 1.9)])
    _fill(canvas, neck, mix(identity.skin, (70, 30, 24), 0.30))
    s = np.linspace(-1, 1, 21)
    slope = float(rng.uniform(0.25, 0.5))
    shoulder = np.array([at(2.6 * x, 1.50 + slope * abs(x) ** 1.5) for x in s])
    neckline = 1.66 - 0.16 * np.cos(np.clip(s * 4.2, -np.pi, np.pi))
    shoulder[:, 1] = np.maximum(
        shoulder[:, 1], np.where(np.abs(s) < 0.3, head[1] + scale * neckline, 0)
    )
    body = np.concatenate([shoulder, np.array([(1.6, 1.6), (-0.6, 1.6)])])
    _fill(canvas, body, cloth)
    hem = np.concatenate([shoulder, lowered(shoulder[::-1], 0.1)])
    _fill(canvas, hem, mix(cloth, (255, 255, 255), 0.35))
    style = int(rng.integers(0, 3))
    if style == 0:
        for k in range(1, 5):
            band = lowered(shoulder, 0.22 * k + 0.06)
            stripe = np.concatenate([band, lowered(band[::-1], 0.09)])
            _fill(canvas, stripe, mix(cloth, (40, 50, 80), 0.25))
    elif style == 1:
        ring = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        for k in range(3):
            centre = np.array(at(0.0, 1.98 + 0.26 * k))
            button = centre + 0.055 * scale * np.stack([np.cos(ring), np.sin(ring)], axis=-1)
            _fill(canvas, button, mix(cloth, (255, 255, 255), 0.6))


def _falloff(rng: np.random.Generator, pattern: str, size: int) -> FloatArray:
    """Return ``[H, W, 1]``: soft folds and darker corners."""
    axis = (np.arange(size) + 0.5) / size
    x, y = axis[None, :], axis[:, None]
    phase, angle = rng.uniform(0, 2 * np.pi, 2)
    depth = 0.03 if pattern == "incubator" else 0.10
    wave = np.cos(angle) * x + np.sin(angle) * y
    folds = np.sin(7.0 * wave + phase + 1.3 * np.sin(4.0 * (x - y) + phase))
    corner = (x - 0.5) ** 2 + (y - 0.5) ** 2
    return (0.94 + depth * 0.5 * folds - 0.35 * corner)[..., None]
