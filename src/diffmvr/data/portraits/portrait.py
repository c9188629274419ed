"""A person of whom there are two pictures, as a mesh that can take any shape between them.

Legend: V vertices.  Canonical coordinates: origin between the eyes, unit their distance, y down.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from diffmvr.data.portraits.anatomy import (
    IRISES,
    LIDS,
    LOWER_LIP,
    MOUTH_RING,
    OVAL,
    UPPER_LIP,
    depth,
    fade_in,
    head_share,
    jaw_share,
)
from diffmvr.data.portraits.backdrop import find_backdrop
from diffmvr.data.portraits.lids import Lids
from diffmvr.data.portraits.mesh import make_mesh
from diffmvr.data.portraits.motion import Motion
from diffmvr.data.synthetic.rng import smoothstep
from diffmvr.geometry import invert, move_points, zoom_of
from diffmvr.preprocessing.face import canonical_shape, fit_similarity
from diffmvr.preprocessing.landmarks import LANDMARKS, RIGID_INDICES
from diffmvr.structures import FloatArray, UInt8Array

PIVOT = np.array([0.0, 1.6])
"""About where a head turns on its neck."""

EDGE = 0.045
"""How far above the landmarks of its edge a lid's skin is sure to be skin; what is stretched over
the eye begins there."""

_UPPER, _LOWER = list(UPPER_LIP[0]), list(LOWER_LIP[0])


@dataclass(frozen=True)
class Still:
    """A picture with its landmarks.

    Attributes:
        image: ``[H, W, 3]`` uint8 RGB.
        points: ``[478, 2]`` pixels.
    """

    image: UInt8Array
    points: FloatArray


class Portrait:
    """Two pictures of a person and the mesh between them.

    The first gives shape and everything around the face; the second gives its expression, and in
    the face its texture as far as its expression is shown.

    Args:
        first: one picture.
        second: the other.

    Attributes:
        images: the two pictures, the second in the colours of the first; where a plain wall is
            behind the person, the first has it as a fourth channel, see ``find_backdrop``.
        plain: whether there is one.
        mesh: the triangles.
        sources: ``[2, V, 2]`` where each vertex lies in each picture, pixels.
        to_pixels: ``[2, 3]`` canonical → pixels of the first picture.
        extent: upper left and lower right corner of a box in the first picture, ``[2]`` canonical
            each; the picture itself where the head is upright.
    """

    def __init__(self, first: Still, second: Still) -> None:
        backdrop = find_backdrop(first.image, first.points)
        self.plain = backdrop is not None
        image = first.image if backdrop is None else np.dstack([first.image, backdrop])
        self.images = (image, _like(second, first))
        shape = canonical_shape(first.points[None])
        rigid = list(RIGID_INDICES)
        self.to_pixels = fit_similarity(shape[rigid], first.points[rigid])
        face = move_points(invert(self.to_pixels), first.points)
        # The picture in canonical coordinates is tilted as the head is: the mesh is over the box
        # around it, a camera keeps to a box inside.
        half = 0.5 * np.array(first.image.shape[1::-1])
        upright = invert(self.to_pixels)
        middle = move_points(upright, half - 0.5)
        outside, inside = np.abs(upright[:, :2]) @ half, zoom_of(upright) * half
        inside = inside * (inside / outside).min()
        self.extent = (middle - inside, middle + inside)
        self.mesh = make_mesh(face, middle - outside, middle + outside)
        change, to_second = _change(face, second.points)

        # 1. Rest positions and where the smile takes them.
        behind = self.mesh.behind
        around = self.mesh.around
        self._rest = np.concatenate([face, around, face[behind]])
        self._change = np.concatenate(
            [change, _spread(around, face[list(OVAL)], change[list(OVAL)]), change[behind]]
        )
        jaw = jaw_share(face)[:, None]
        self._jaw = np.concatenate(
            [jaw, _spread(around, face[list(OVAL)], jaw[list(OVAL)]), 0.0 * jaw[behind]]
        )
        self._depth = depth(self._rest)
        self._head = head_share(self._rest)
        self._head[:LANDMARKS] = 1.0
        self._right = smoothstep(self._rest[:, 0] / 0.5 + 0.5)

        # 2. Where they are in the pictures.
        around_second = move_points(to_second, around)
        self.sources = np.stack(
            [
                move_points(self.to_pixels, self._rest),
                np.concatenate([second.points, around_second, second.points[behind]]),
            ]
        )
        inside = fade_in(face)
        self._fade = np.concatenate([inside, np.zeros(len(around)), inside[behind]])

        # 3. What is behind the lips is the more open mouth's.
        gaps = [shape[_LOWER] - shape[_UPPER] for shape in (face, face + change)]
        self._opener = int(gaps[1][:, 1].sum() > gaps[0][:, 1].sum())
        self._gap = np.maximum(gaps[self._opener], [-np.inf, 0.0])
        start = LANDMARKS + len(around)
        self._teeth = slice(start, start + len(MOUTH_RING))
        self._eyes = slice(start + len(MOUTH_RING), None)
        self._irises = start + np.flatnonzero(np.isin(behind, IRISES))
        self._lids = [Lids.of(face, *edges) for edges in LIDS]

    def shapes(self, motion: Motion) -> FloatArray:
        """Return ``[T, V, 2]`` canonical: where each vertex is, the head's turn included."""
        return np.stack([self._shape(motion, t) for t in range(len(motion))])

    def _shape(self, motion: Motion, t: int) -> FloatArray:
        # 1. Expression.
        left, right = motion.smile[t]
        share = left + (right - left) * self._right
        shape = self._rest + share[:, None] * self._change
        # 2. Teeth hang from the upper lip; the jaw takes the lower one down.
        lip = shape[_UPPER]
        shape[self._teeth] = np.concatenate([lip, (lip + self._gap)[-2:0:-1]])
        shape[:, 1:] += motion.jaw[t] * self._jaw
        # 3. Irises, then lids.
        shape[self._irises] += motion.gaze[t]
        if motion.blink[t]:
            for lids in self._lids:
                lids.close(shape, float(motion.blink[t]))
        # 4. The head's turn: seen from afar, a point moves by its depth.
        yaw, pitch, roll = motion.turn[t]
        x, y = (shape - PIVOT).T
        turned = np.stack(
            [
                x * np.cos(yaw) + self._depth * np.sin(yaw),
                y * np.cos(pitch) + self._depth * np.sin(pitch),
            ],
            axis=1,
        )
        turned = motion.scale[t] * turned
        cos, sin = np.cos(roll), np.sin(roll)
        turned = turned @ np.array([[cos, sin], [-sin, cos]]) + PIVOT + motion.shift[t]
        return np.asarray(shape + self._head[:, None] * (turned - shape))

    def sources_at(self, blink: float) -> FloatArray:
        """Return ``[2, V, 2]``: ``sources`` while lids come down by ``blink``."""
        if not blink:
            return self.sources
        sources = self.sources.copy()
        edge = blink * EDGE * zoom_of(self.to_pixels)
        for upper, lower in LIDS:
            sources[:, list(upper[1:-1]), 1] -= edge
            sources[:, list(lower[1:-1]), 1] += 0.4 * edge
        return sources

    def shade(self, blink: float) -> FloatArray:
        """Return ``[V]``: what is left of the light on each vertex; lids shade the eye."""
        light = np.ones(len(self._rest))
        light[self._eyes] = 1.0 - 0.6 * blink**2
        return light

    def blend(self, motion: Motion, t: int) -> FloatArray:
        """Return ``[V]`` in [0, 1]: how much of each vertex' texture is the second picture's."""
        left, right = motion.smile[t]
        share = left + (right - left) * self._right
        weight = self._fade * smoothstep((share - 0.1) / 0.8)
        weight[self._teeth] = self._opener
        return np.asarray(weight)


def _like(second: Still, first: Still) -> UInt8Array:
    """Return the second picture in the colours of the first, by the means over the face."""
    means = []
    for one in (first, second):
        height, width = one.image.shape[:2]
        x = np.clip(np.rint(one.points[:, 0]).astype(int), 0, width - 1)
        y = np.clip(np.rint(one.points[:, 1]).astype(int), 0, height - 1)
        soft = cv2.blur(one.image, (9, 9))
        means.append(soft[y, x].mean(axis=0))
    gain = means[0] / np.maximum(means[1], 1.0)
    return np.clip(np.rint(second.image * gain), 0, 255).astype(np.uint8)


def _change(face: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how the second picture's face differs, and the map from here to that picture.

    The head's pose is taken out: a similarity and, for a turn, a shift by depth.

    Args:
        face: ``[478, 2]`` canonical, of the first picture.
        second: ``[478, 2]`` pixels of the second.

    Returns:
        ``[478, 2]`` canonical and ``[2, 3]``.
    """
    rigid = list(RIGID_INDICES)
    to_second = fit_similarity(face[rigid], second[rigid])
    laid = move_points(invert(to_second), second)
    deep = depth(face)
    centred = deep - deep[rigid].mean()
    rest = (laid - face)[rigid]
    turn = centred[rigid] @ (rest - rest.mean(axis=0)) / np.sum(centred[rigid] ** 2)
    change = laid - face - centred[:, None] * turn
    # A forehead does not smile; what differs there is error.
    hairline = smoothstep((face[:, 1] + 0.75) / 0.4)
    temples = 1.0 - smoothstep((np.abs(face[:, 0]) - 0.8) / 0.35) * smoothstep(
        (0.9 - face[:, 1]) / 0.6
    )
    return change * (hairline * temples)[:, None], to_second


def _spread(around: FloatArray, outline: FloatArray, change: FloatArray) -> FloatArray:
    """Return ``[G, 2]``: the outline's change, fading with distance."""
    distance = np.linalg.norm(around[:, None] - outline, axis=-1)
    weight = 1.0 / (distance + 0.05) ** 3
    near = weight @ change / weight.sum(axis=1, keepdims=True)
    return np.asarray(near * np.exp(-distance.min(axis=1) / 0.4)[:, None])
