"""Occluders of the real-face benchmark, drawn by code: a hand, tape, a cloth and a tube.

None of them comes from the sprites that training composites (``diffmvr.data.synthetic``), so that
what is scored is unlike what was trained on.  Each arrives from outside the picture, stays and
moves, and leaves, twice a recording; about half of the frames are hidden.

Lengths are in distances between the eyes.  An occluder's own coordinates have y down.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, invert, move_points
from diffmvr.structures import FaceTrack, FloatArray, UInt8Array

Float32Array = NDArray[np.float32]

COVERINGS = ((0.15, 0.47), (0.54, 0.86))
"""First and last moment of each covering, as shares of the recording: half of its frames, since who
comes and goes is beside the face at first."""

TRAVEL = 0.055
"""How long an occluder takes to come or to go, as a share of the recording."""

SHADOW_REACH, SHADOW_DEPTH = 0.12, 0.3
FAR = 7.0
"""How far away an occluder is that has left."""


@dataclass(frozen=True)
class Sheet:
    """What an occluder looks like on a grid of points.

    Attributes:
        distance: ``[H, W]``, from its edge, negative inside.
        colour: ``[H, W, 3]`` in [0, 255].
    """

    distance: Float32Array
    colour: Float32Array


Drawing = Callable[[Float32Array, Float32Array, float], Sheet]
"""(x, y, seconds-like phase of its movement) → what is there."""


@dataclass(frozen=True)
class Occluder:
    """An occluder with its way of moving.

    Attributes:
        draw: what it looks like.
        place: where its origin lies on the face.
        direction: unit vector along which it comes into the face.
        turn: angle by which it is turned, in radians.
        follow: how much it moves with the head, in [0, 1].
        sway: how far it moves about.
    """

    draw: Drawing
    place: FloatArray
    direction: FloatArray
    turn: float
    follow: float
    sway: float


@dataclass(frozen=True)
class Hidden:
    """A recording with an occluder over it.

    Attributes:
        observed: ``[T, H, W, 3]`` uint8, the recording's own wherever ``outline`` is 0.
        outline: ``[T, H, W]`` 0/1, every pixel that the occluder or its shadow touches.
        box: ``[T, H, W]`` 0/1, its bounding rectangle.
    """

    observed: UInt8Array
    outline: UInt8Array
    box: UInt8Array


def presence(frames: int) -> FloatArray:
    """Return ``[T]``: 0 where the occluder has left, 1 where it is in place."""
    time = np.arange(frames) / frames
    shown = np.zeros(frames)
    for first, last in COVERINGS:
        way = np.minimum(time - first, last - time) / TRAVEL
        shown = np.maximum(shown, _smooth(way))
    return shown


def hide(frames: UInt8Array, track: FaceTrack, kind: str, name: str) -> Hidden:
    """Draw an occluder over a recording.

    Args:
        frames: ``[T, H, W, 3]`` uint8 RGB.
        track: where the face is.
        kind: one of ``KINDS``.
        name: of the recording: another has another occluder of the kind.
    """
    rng = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
    occluder = KINDS[kind](rng)
    shown = presence(len(frames))
    phases = rng.uniform(0, 2 * np.pi, 4)
    height, width = frames.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    still = _mean_similarity(track.similarity)
    observed = frames.copy()
    outline, box = (np.zeros(frames.shape[:3], np.uint8) for _ in range(2))
    for t in map(int, np.flatnonzero(shown > 0)):
        head = _between(still, track.similarity[t], occluder.follow)
        phase = 2 * np.pi * t / 40
        moved = occluder.sway * np.sin(phase * np.array([1.0, 0.7]) + phases[:2])
        place = occluder.place + moved - (1 - shown[t]) * FAR * occluder.direction
        turn = occluder.turn + 0.4 * occluder.sway * np.sin(0.8 * phase + phases[2])
        cos, sin = np.cos(turn), np.sin(turn)
        own = np.array([[cos, -sin, place[0]], [sin, cos, place[1]]])
        to_own = invert(compose(head, own))
        x, y = np.moveaxis(move_points(to_own, grid).astype(np.float32), -1, 0)
        sheet = occluder.draw(x, y, float(phase + phases[3]))
        unit = 1 / np.sqrt(abs(np.linalg.det(to_own[:, :2])))
        alpha = np.clip(0.5 - sheet.distance * np.float32(unit), 0, 1)
        near = np.clip(1 - sheet.distance / np.float32(SHADOW_REACH), 0, 1)
        shadow = np.float32(SHADOW_DEPTH) * near * near
        touched = (alpha > 0) | (shadow > 0)
        if not touched.any():
            continue
        under = frames[t].astype(np.float32) * (1 - shadow)[..., None]
        mixed = under + (sheet.colour - under) * alpha[..., None]
        observed[t] = np.where(
            touched[..., None], np.clip(np.rint(mixed), 0, 255).astype(np.uint8), frames[t]
        )
        outline[t] = touched
        rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
        box[t, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 1
    return Hidden(observed, outline, box)


def _hand(rng: np.random.Generator) -> Occluder:
    """A hand with its forearm, from below or aside, over mouth and cheek."""
    side = rng.choice([-1.0, 1.0])
    turn = -side * rng.uniform(0.35, 1.1)
    skin = np.array([(224, 172, 140), (198, 134, 100), (141, 85, 58), (244, 205, 180)])[
        rng.integers(4)
    ]
    grain = _grain(rng)
    spread = rng.uniform(0.10, 0.17)

    def draw(x: Float32Array, y: Float32Array, phase: float) -> Sheet:
        x = x * np.float32(side)
        bend = np.float32(0.05 * np.sin(phase))
        parts = [
            _capsule(x, y, (-0.26, 0.0), (-0.20, 0.75), 0.34, 0.28),  # palm
            _capsule(x, y, (0.26, 0.0), (0.18, 0.75), 0.34, 0.28),
            _capsule(x, y, (0.0, 0.7), (0.0, 9.0), 0.40, 0.62),  # forearm
            _capsule(x, y, (0.48, 0.55), (1.0, -0.05), 0.20, 0.14),  # thumb
        ]
        for finger, (root, length) in enumerate(
            ((-0.45, 0.85), (-0.15, 1.1), (0.15, 1.15), (0.42, 1.0))
        ):
            lean = (finger - 1.5) * spread + bend
            tip = (root + lean * 1.2, -0.1 - length)
            parts.append(_capsule(x, y, (root, -0.1), tip, 0.165, 0.125))
        # The deepest part shows; its edge is darker, so that fingers stand out from each other.
        distance = np.minimum.reduce(parts)
        round_off = np.clip(-distance / np.float32(0.16), 0, 1)
        shade = 0.62 + 0.38 * round_off + 0.10 * grain(x * 2, y * 2)
        return Sheet(distance, shade[..., None] * skin.astype(np.float32))

    place = np.array([side * rng.uniform(0.15, 0.6), rng.uniform(0.7, 1.1)])
    direction = np.array([np.sin(turn), -np.cos(turn)])
    return Occluder(draw, place, direction, turn, 0.6, 0.14)


def _tape(rng: np.random.Generator) -> Occluder:
    """Two crossed strips of plaster that stick to the face: on an eye, a cheek or the mouth."""
    place = np.array([(-0.5, 0.05), (0.5, 0.05), (0.0, 1.05), (-0.55, 0.7), (0.6, 0.7)])[
        rng.integers(5)
    ]
    turn = rng.uniform(-0.6, 0.6)
    colour = np.array([(236, 232, 222), (222, 196, 168), (196, 214, 226)])[rng.integers(3)]
    second = rng.uniform(0.7, 1.5)
    grain = _grain(rng)
    half = (rng.uniform(0.95, 1.2), rng.uniform(0.30, 0.42))

    def draw(x: Float32Array, y: Float32Array, _phase: float) -> Sheet:
        cos, sin = np.float32(np.cos(second)), np.float32(np.sin(second))
        over = _strip(x, y, *half)
        under = _strip(x * cos + y * sin, y * cos - x * sin, 0.8 * half[0], half[1])
        weave = 0.03 * np.sin(x * 70) * np.sin(y * 70)
        shade = 0.9 + 0.10 * grain(x * 3, y * 3) + weave
        shade = np.where(over < 0, shade, shade - 0.10 * (under < 0))
        # Where the upper strip ends it throws a line.
        shade = shade - 0.25 * np.exp(-((over / 0.02) ** 2))
        distance = np.minimum(over, under)
        return Sheet(distance, shade[..., None].astype(np.float32) * colour.astype(np.float32))

    away = np.sign(place[0]) if place[0] else rng.choice([-1.0, 1.0])
    return Occluder(draw, place, np.array([-away, 0.0]), turn, 1.0, 0.0)


def _cloth(rng: np.random.Generator) -> Occluder:
    """A striped cloth with folds, drawn up from below or over one side."""
    turn = rng.choice([0.0, -np.pi / 2, np.pi / 2]) + rng.uniform(-0.12, 0.12)
    pair = np.array(
        [
            ((60, 92, 140), (206, 214, 222)),
            ((150, 60, 66), (228, 208, 190)),
            ((96, 122, 92), (226, 224, 200)),
        ]
    )[rng.integers(3)]
    grain, waves = _grain(rng), rng.uniform(1.0, 2.2, 3)

    def draw(x: Float32Array, y: Float32Array, phase: float) -> Sheet:
        edge = 0.14 * np.sin(waves[0] * x + phase) + 0.08 * np.sin(2.3 * waves[1] * x - phase)
        distance = np.maximum(edge - y, np.abs(x) - 1.9).astype(np.float32)
        folds = np.sin(waves[2] * 3 * x + 0.7 * np.sin(y + phase) + 1.5 * grain(x / 2, y / 2))
        stripe = (np.sin(9 * (y + 0.06 * folds)) > 0.3) | (np.sin(11 * x) > 0.75)
        colour = np.where(stripe[..., None], pair[0], pair[1])
        shade = 0.78 + 0.2 * folds + 0.06 * grain(x * 6, y * 6)
        return Sheet(distance, (shade[..., None] * colour).astype(np.float32))

    # Its upper edge: below the eyes where it comes from below, about the midline from aside.
    direction = np.array([np.sin(turn), -np.cos(turn)])
    aside = abs(turn) > 0.5
    depth = rng.uniform(-0.15, 0.25) if aside else rng.uniform(0.25, 0.6)
    centre = np.array([0.0, 0.5 if aside else 0.0])
    return Occluder(draw, centre - depth * direction, direction, turn, 0.4, 0.10)


def _tube(rng: np.random.Generator) -> Occluder:
    """A corrugated breathing tube with its mask plate, held to nose or mouth."""
    side = rng.choice([-1.0, 1.0])
    place = np.array([0.0, rng.choice([0.55, 1.0])])
    turn = -side * rng.uniform(0.5, 1.3)
    colour = np.array([(188, 206, 214), (120, 170, 190), (214, 214, 206)])[rng.integers(3)]
    radius = rng.uniform(0.24, 0.32)
    plate = rng.uniform(0.5, 0.68)
    grain = _grain(rng)

    def draw(x: Float32Array, y: Float32Array, phase: float) -> Sheet:
        curve = 0.22 * np.sin(0.8 * y + phase * 0.6)
        across = np.abs(x - curve * np.clip(y, 0, 1))
        tube = np.where(y > 0, across - radius, np.hypot(x, y) - radius).astype(np.float32)
        rings = np.where(y > plate, 0.12 * np.sin(26 * y), 0)
        shine = 0.55 * np.exp(-(((x - curve) / radius + 0.35) ** 2) * 6)
        oval = (np.hypot(x, y * 1.2) - plate).astype(np.float32)
        on_tube = tube < 0
        round_off = np.sqrt(np.clip(1 - (across / radius) ** 2, 0, 1))
        shade = np.where(on_tube, 0.55 + 0.35 * round_off + rings, 0.8 + 0.05 * grain(x, y))
        light = np.where(on_tube, shine, 0.12) * 110
        body = shade[..., None] * colour + light[..., None]
        return Sheet(np.minimum(tube, oval), body.astype(np.float32))

    direction = np.array([np.sin(turn), -np.cos(turn)])
    return Occluder(draw, place, direction, turn, 0.95, 0.05)


KINDS: dict[str, Callable[[np.random.Generator], Occluder]] = {
    "hand": _hand,
    "tape": _tape,
    "cloth": _cloth,
    "tube": _tube,
}


def _smooth(share: FloatArray) -> FloatArray:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def _mean_similarity(similarity: FloatArray) -> FloatArray:
    return np.asarray(similarity.mean(axis=0))


def _between(still: FloatArray, head: FloatArray, share: float) -> FloatArray:
    """Return a similarity between two: they form a linear space."""
    return np.asarray((1 - share) * still + share * head)


def _capsule(
    x: Float32Array,
    y: Float32Array,
    start: tuple[float, float],
    end: tuple[float, float],
    first: float,
    last: float,
) -> Float32Array:
    """Return the distance from a thick line whose radius goes from ``first`` to ``last``."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((px * dx + py * dy) / np.float32(dx * dx + dy * dy), 0, 1)
    away = np.hypot(px - along * np.float32(dx), py - along * np.float32(dy))
    return np.asarray(away - np.float32(first) - along * np.float32(last - first))


def _strip(x: Float32Array, y: Float32Array, half_width: float, half_height: float) -> Float32Array:
    """Return the distance from a rectangle with rounded corners."""
    dx, dy = np.abs(x) - np.float32(half_width - 0.06), np.abs(y) - np.float32(half_height - 0.06)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    inside = np.minimum(np.maximum(dx, dy), 0)
    return np.asarray(outside + inside - np.float32(0.06))


def _grain(rng: np.random.Generator) -> Callable[[Float32Array, Float32Array], Float32Array]:
    """Return a smooth random pattern over the plane in about [-1, 1], repeated every 8 units."""
    side = 128
    noise = _wrapped_blur(rng.standard_normal((side, side)).astype(np.float32))
    noise /= 2 * noise.std()

    def at(x: Float32Array, y: Float32Array) -> Float32Array:
        columns, rows = (np.mod(v * (side / 8), side).astype(np.float32) for v in (x, y))
        return np.asarray(
            cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        )

    return at


def _wrapped_blur(noise: Float32Array) -> Float32Array:
    padded = np.pad(noise, 16, mode="wrap")
    return cv2.GaussianBlur(padded, (0, 0), 3)[16:-16, 16:-16].copy()
