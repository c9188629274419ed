"""A change of light between two frames: how one looks in the light of the other (ours)."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.structures import UInt8Array

FloatImage = NDArray[np.float32]

STEPS = 4
"""Rounds of the robust fit."""

LEAST_PIXELS = 50
"""With fewer pixels to compare, the light is taken to be the same."""

LEVEL_SLACK, GAIN_SLACK = 1.5, 0.03
"""What an expression or noise can look like: smaller changes (grey levels, and shares of contrast)
are none, and larger ones count less by as much, so that nothing jumps from frame to frame."""

GAINS = (0.6, 1.6)
"""Least and largest change of contrast."""


class Light(NamedTuple):
    """x ↦ level + gain · (x − middle), by channel.

    Attributes:
        gain: of all channels.
        middle: ``[3]``, mean grey levels before.
        level: ``[3]``, and after.
    """

    gain: float
    middle: NDArray[np.float32]
    level: NDArray[np.float32]

    @property
    def is_same(self) -> bool:
        """Whether nothing changes."""
        return self.gain == 1 and bool((self.middle == self.level).all())

    def apply(self, image: FloatImage) -> FloatImage:
        """Return ``[..., 3]`` float32 grey levels in the other light."""
        if self.is_same:
            return image
        gain = np.float32(self.gain)
        return np.asarray(self.level + gain * (image - self.middle), np.float32)

    def shown(self, image: UInt8Array) -> UInt8Array:
        """Return ``[H, W, 3]`` uint8 in the other light, rounded."""
        if self.is_same:
            return image
        levels = self.apply(np.arange(256, dtype=np.float32)[:, None].repeat(3, axis=1))
        table = np.rint(levels).clip(0, 255).astype(np.uint8)
        changed: Any = cv2.LUT(image, table[None])
        return changed


SAME_LIGHT = Light(1.0, np.zeros(3, np.float32), np.zeros(3, np.float32))


def match_light(
    shown: FloatImage, known: NDArray[np.bool_], image: UInt8Array, weight: NDArray[np.floating]
) -> Light:
    """Find the light in which a carried frame looks most like the current one, robustly.

    Iteratively reweighted least squares with Cauchy's weights, so that what has moved or changed in
    itself has little say.

    Args:
        shown: ``[H, W, 3]``, the carried frame.
        known: ``[H, W]``.
        image: ``[H, W, 3]`` uint8, the current frame.
        weight: ``[H, W]``, how much each pixel counts; 0 where it is hidden.
    """
    compared = known & (weight > 0.05)
    if np.count_nonzero(compared) < LEAST_PIXELS:
        return SAME_LIGHT
    x, y = shown[compared].astype(np.float64), image[compared].astype(np.float64)
    base = weight[compared].astype(np.float64)
    gain, middle, level = 1.0, x.mean(axis=0), y.mean(axis=0)
    for _ in range(STEPS):
        error = np.abs(y - level - gain * (x - middle)).mean(axis=-1)
        scale = 1.4826 * np.median(error) + 1
        share = base / (1 + (error / (2 * scale)) ** 2)
        share = (share / share.sum())[:, None]
        middle, level = (share * x).sum(axis=0), (share * y).sum(axis=0)
        spread = (share * (x - middle) ** 2).sum()
        # A flat patch says nothing of contrast.
        gain = float(((share * (x - middle) * (y - level)).sum() + 100) / (spread + 100))
    shift = _beyond(level - middle, LEVEL_SLACK)
    gain = float(np.clip(1 + _beyond(np.array(gain - 1), GAIN_SLACK), *GAINS))
    return Light(gain, middle.astype(np.float32), (middle + shift).astype(np.float32))


def _beyond(value: NDArray[np.float64], slack: float) -> NDArray[np.float64]:
    return np.sign(value) * np.maximum(np.abs(value) - slack, 0)
