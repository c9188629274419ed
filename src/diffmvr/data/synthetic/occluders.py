"""Occluders over time: they arrive from outside the frame, stay and move, and leave.

``composite_occluder`` puts one over any image sequence, rendered or real.  Outside the returned
mask the picture is the input's, bit for bit: the mask covers every pixel that the occluder's
antialiased edge or its shadow touches.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_one_of, check_shape
from diffmvr.data.synthetic.rng import FloatArray, Stream, generator, smooth_path, smoothstep
from diffmvr.data.synthetic.sdf import TEXELS, Sprite
from diffmvr.data.synthetic.sprites import KINDS, make_sprite
from diffmvr.structures import UInt8Array

_SHADOW_REACH = 0.10  # sprite units
_SHADOW_DEPTH = 0.38

COMING_AND_GOING = 4
"""Fewest frames in which an occluder can arrive; in shorter clips it is there throughout."""


@dataclass(frozen=True)
class Schedule:
    """When an occluder is there: presence grows from ``arrive`` on, falls from ``leave`` on.

    Times are in frames; ``leave`` may be infinite, and an ``arrive`` before 0 means "there from
    the first frame".
    """

    arrive: float
    arrival: float
    leave: float
    departure: float

    def presence(self, frames: int) -> FloatArray:
        """Return ``[T]``: 0 outside the frame, 1 in place."""
        t = np.arange(frames, dtype=np.float64)
        incoming = smoothstep((t - self.arrive) / self.arrival)
        outgoing = smoothstep((t - self.leave) / self.departure)
        return incoming * (1.0 - outgoing)


@dataclass(frozen=True)
class Overlay:
    """An occluder drawn over a sequence.

    Attributes:
        observed: ``[T, H, W, 3]`` uint8.
        mask: ``[T, H, W]`` uint8 0/1.
        box_mask: ``[T, H, W]`` uint8 0/1, the bounding rectangle of the mask.
        description: words for a caption, e.g. "a dark-skinned hand".
    """

    observed: UInt8Array
    mask: UInt8Array
    box_mask: UInt8Array
    description: str


def composite_occluder(
    frames: UInt8Array, face_box: FloatArray, seed: int, kind: str = "hand", cover: float = 0.4
) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Put a moving occluder over a sequence; the first quarter of the frames stays clear.

    Args:
        frames: ``[T, H, W, 3]`` uint8 RGB of any size.
        face_box: ``[T, 4]`` (x0, y0, x1, y1) in pixels.
        seed: the same seed gives the same bytes.
        kind: one of ``KINDS``: ``"hand"``, ``"tube"``, ``"blanket"``, ``"tape"``, ``"cloth"``.
        cover: share of the face box to hide while in place, in [0.05, 0.9].

    Returns:
        ``observed`` uint8 ``[T, H, W, 3]`` and ``mask``, ``box_mask`` uint8 0/1 ``[T, H, W]``;
        ``observed`` equals ``frames`` wherever ``mask`` is 0, and ``box_mask`` holds ``mask``.

    Raises:
        ValueError: if a shape, the kind or the cover is out of its range.
    """
    check_shape("frames", frames, (None, None, None, 3))
    check_shape("face_box", face_box, (len(frames), 4))
    check_one_of("kind", kind, KINDS)
    check_number("cover", cover, 0.05, 0.9)
    if frames.dtype != np.uint8:
        raise ValueError(f"frames: expected dtype uint8, got {frames.dtype}; convert to 0–255 RGB")
    if not np.all(face_box[:, 2:] > face_box[:, :2]):
        raise ValueError("face_box: expected x1 > x0 and y1 > y0 in every frame, got an empty box")
    rng = generator(seed, 0, 0, Stream.OCCLUDER)
    length = len(frames)
    schedule = Schedule(
        arrive=np.ceil(length / 4) - 1,
        arrival=max(1.0, length / 10),
        leave=0.8 * (length - 1),
        departure=max(1.0, 0.15 * (length - 1)),
    )
    overlay = draw_occluder(rng, frames, face_box, kind, cover, schedule)
    return overlay.observed, overlay.mask, overlay.box_mask


def draw_schedule(rng: np.random.Generator, length: int) -> Schedule:
    """Draw when an occluder comes, after some clear frames to remember, and whether it leaves.

    Args:
        rng: source of the numbers.
        length: frames of the clip.
    """
    if length < COMING_AND_GOING:
        return Schedule(arrive=-2.0, arrival=1.0, leave=np.inf, departure=1.0)
    pace = length / 16
    arrive = np.ceil(float(rng.uniform(0.1, 0.35)) * length) - 1
    leave = float(rng.uniform(0.6, 0.9)) * length if rng.uniform() < 0.4 else np.inf
    arrival, departure = rng.uniform((1.0, 1.5), 3.0) * pace
    return Schedule(float(arrive), max(1.0, arrival), leave, max(1.0, departure))


def draw_occluder(
    rng: np.random.Generator,
    frames: UInt8Array,
    face_box: FloatArray,
    kind: str,
    cover: float,
    schedule: Schedule,
    brightness: FloatArray | float = 1.0,
) -> Overlay:
    """Draw one occluder over ``frames`` (see ``composite_occluder``), on a given schedule.

    Args:
        rng: everything random about the occluder comes from here.
        frames: ``[T, H, W, 3]`` uint8.
        face_box: ``[T, 4]`` in pixels.
        kind: one of ``KINDS``.
        cover: share of the face box to hide.
        schedule: when it is there.
        brightness: ``[T, 3]`` or scalar factors of the scene's light.
    """
    sprite = make_sprite(rng, kind)
    placement = _place(rng, sprite, kind, frames.shape, face_box, cover, schedule)
    length, height, width, _ = frames.shape
    observed = frames.copy()
    mask = np.zeros((length, height, width), np.uint8)
    box_mask = np.zeros_like(mask)
    light = np.broadcast_to(np.asarray(brightness, dtype=np.float32), (length, 3))
    for t in map(int, np.flatnonzero(placement.presence > 0)):
        rows, columns = _window(placement, sprite, t, height, width)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        rgb, alpha, shadow = _sample(sprite, placement, t, rows, columns)
        touched = ((alpha > 0) | (shadow > 0)).astype(np.uint8)
        if not touched.any():
            continue
        under = frames[t, rows, columns].astype(np.float32) * (1.0 - shadow)[..., None]
        mixed = under + (rgb * light[t] - under) * alpha[..., None]
        pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        cv2.copyTo(pixels, touched, observed[t, rows, columns])
        mask[t, rows, columns] = touched
        used_rows, used_columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
        box_mask[
            t,
            rows.start + used_rows[0] : rows.start + used_rows[-1] + 1,
            columns.start + used_columns[0] : columns.start + used_columns[-1] + 1,
        ] = 1
    return Overlay(observed, mask, box_mask, sprite.description)


@dataclass(frozen=True)
class _Placement:
    """``matrix [T, 2, 3]`` carries pixels to sprite coordinates; ``unit`` is pixels per unit."""

    matrix: FloatArray
    presence: FloatArray
    unit: FloatArray
    stretch: FloatArray
    sway: FloatArray


def _place(
    rng: np.random.Generator,
    sprite: Sprite,
    kind: str,
    shape: tuple[int, ...],
    face_box: FloatArray,
    cover: float,
    schedule: Schedule,
) -> _Placement:
    length, height, width, _ = shape
    # 1. Where it comes from: hands from anywhere, rather from below; blankets from below.
    limit = {"hand": 2.4, "tube": 1.9, "blanket": 0.8, "tape": 2.4, "cloth": 2.0}[kind]
    angle = float(np.clip(rng.normal(0.0, limit / 2), -limit, limit))
    path = smooth_path(rng, length, max(2.0, length / 4), 6)
    lively = rng.uniform(0.4, 1.0)
    face_size = 0.5 * (face_box[:, 2] - face_box[:, 0] + face_box[:, 3] - face_box[:, 1])
    centre = 0.5 * (face_box[:, :2] + face_box[:, 2:])
    follow = rng.uniform(0.3, 0.9)
    anchor_base = centre.mean(axis=0) + follow * (centre - centre.mean(axis=0))
    aside = rng.uniform(-0.25, 0.25) * (0.5 if kind != "hand" else 1.0)
    growth = {
        "hand": rng.uniform(0.30, 0.5),
        "tape": 0.25,
        "cloth": 0.3,
        "tube": 0.3,
        "blanket": 0.4,
    }[kind]
    unit = growth * face_size.mean() * (1.0 + 0.04 * lively * path[:, 0])
    turn = angle + 0.16 * lively * path[:, 1]
    # Sprite -y points into the face: u is that direction in the image, v is to its right.
    u = np.stack([np.sin(turn), -np.cos(turn)], axis=1)
    v = np.stack([np.cos(turn), np.sin(turn)], axis=1)

    # 2. How far in: the smallest depth that hides the wanted share; too small a thing grows.
    reference = int(np.argmax(schedule.presence(length)))
    side = float(face_size.mean())
    lateral = aside * side + 0.09 * lively * side * path[:, 2]
    for _ in range(14):
        deepest = 0.25 * side
        if _hidden(sprite, unit, u, v, anchor_base, deepest, lateral, face_box, reference) >= cover:
            break
        unit = unit * 1.12
    low, high = -2.0 * side, deepest
    for _ in range(9):
        middle = 0.5 * (low + high)
        share = _hidden(sprite, unit, u, v, anchor_base, middle, lateral, face_box, reference)
        low, high = (low, middle) if share >= cover else (middle, high)
    inside = high + 0.05 * lively * side * path[:, 3]

    # 3. Outside: the sprite's front has just left the picture, against the direction it came.
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], dtype=np.float64)
    nearest = np.min(
        np.einsum("nc,tc->tn", corners, u) - np.sum(anchor_base * u, axis=1)[:, None], axis=1
    )
    outside = nearest - (sprite.front + 2 * _SHADOW_REACH) * unit
    presence = schedule.presence(length)
    depth = outside + presence * (inside - outside)
    anchor = anchor_base + depth[:, None] * u + lateral[:, None] * v

    # 4. Pixels → sprite: x = v·(p - anchor)/unit, y = -u·(p - anchor)/unit.
    linear = np.stack([v, -u], axis=1) / unit[:, None, None]
    shift = -np.einsum("tij,tj->ti", linear, anchor)
    matrix = np.concatenate([linear, shift[..., None]], axis=-1)
    bending = 1.0 if sprite.bends else 0.0
    return _Placement(
        matrix,
        presence,
        unit,
        1.0 + bending * (0.10 + 0.14 * lively * path[:, 4]),
        bending * 0.10 * lively * path[:, 5],
    )


def _hidden(
    sprite: Sprite,
    unit: FloatArray,
    u: FloatArray,
    v: FloatArray,
    base: FloatArray,
    depth: float,
    lateral: FloatArray,
    face_box: FloatArray,
    t: int,
) -> float:
    """Return the share of frame t's face box under the sprite, on a 16 × 16 grid."""
    box = face_box[t]
    steps = (np.arange(16) + 0.5) / 16
    px, py = np.meshgrid(box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1]))
    anchor = base[t] + depth * u[t] + lateral[t] * v[t]
    x = ((px - anchor[0]) * v[t, 0] + (py - anchor[1]) * v[t, 1]) / unit[t]
    y = -((px - anchor[0]) * u[t, 0] + (py - anchor[1]) * u[t, 1]) / unit[t]
    rows, columns = sprite.layers.shape[:2]
    i = np.clip(np.rint((y - sprite.origin[1]) * TEXELS).astype(int), 0, rows - 1)
    j = np.clip(np.rint((x - sprite.origin[0]) * TEXELS).astype(int), 0, columns - 1)
    return float(np.mean(sprite.layers[i, j, 3] < 0))


def _window(
    placement: _Placement, sprite: Sprite, t: int, height: int, width: int
) -> tuple[slice, slice]:
    """Return the rows and columns that the sprite and its shadow may touch."""
    if not sprite.bends:
        return slice(0, height), slice(0, width)
    linear, shift = placement.matrix[t, :, :2], placement.matrix[t, :, 2]
    reach = 1.25 + 2 * _SHADOW_REACH
    top = -sprite.front * 1.3 - 2 * _SHADOW_REACH
    corners = np.array([(-reach, top), (reach, top), (-reach, 30.0), (reach, 30.0)])
    pixels = (corners - shift) @ np.linalg.inv(linear).T
    low = np.floor(pixels.min(axis=0)).astype(int)
    high = np.ceil(pixels.max(axis=0)).astype(int) + 1
    return (
        slice(max(low[1], 0), min(high[1], height)),
        slice(max(low[0], 0), min(high[0], width)),
    )


def _sample(
    sprite: Sprite, placement: _Placement, t: int, rows: slice, columns: slice
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return colour, coverage and shadow of a window of frame t."""
    m = placement.matrix[t].astype(np.float32)
    px = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :]
    py = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    x = m[0, 0] * px + (m[0, 1] * py + m[0, 2])
    y = m[1, 0] * px + (m[1, 1] * py + m[1, 2])
    if sprite.bends:
        # Fingers curl (they look shorter) and sway, more so towards their tips.
        above = np.maximum(-0.3 - y, 0)
        x = x - np.float32(placement.sway[t]) * above * above
        y = y - np.float32(placement.stretch[t] - 1.0) * above
    map_x = (x - np.float32(sprite.origin[0])) * np.float32(TEXELS)
    map_y = (y - np.float32(sprite.origin[1])) * np.float32(TEXELS)
    layers = np.asarray(
        cv2.remap(sprite.layers, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )
    unit = np.float32(placement.unit[t])
    distance = layers[..., 3]
    alpha = np.clip(np.float32(0.5) - distance * unit, 0, 1)
    near = np.clip(1 - distance / np.float32(_SHADOW_REACH), 0, 1)
    return layers[..., :3], alpha, np.float32(_SHADOW_DEPTH) * near * near
