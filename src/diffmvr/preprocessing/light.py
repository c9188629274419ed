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


def match_lights(
    shown: FloatImage, known: NDArray[np.bool_], image: UInt8Array, weight: NDArray[np.floating]
) -> list[Light]:
    """Find the lights in which carried frames look most like the current one, robustly.

    Iteratively reweighted least squares with Cauchy's weights, so that what has moved or changed in
    itself has little say.

    Args:
        shown: ``[K, H, W, 3]``, the carried frames.
        known: ``[K, H, W]``.
        image: ``[H, W, 3]`` uint8, the current frame.
        weight: ``[H, W]``, how much each pixel counts; 0 where it is hidden.
    """
    compared = known & (weight > 0.05)
    somewhere = compared.any(axis=0)
    compared = compared[:, somewhere]
    count = compared.sum(axis=1)
    if not (count >= LEAST_PIXELS).any():
        return [SAME_LIGHT] * len(known)
    x, y = shown[:, somewhere].astype(np.float64), image[somewhere].astype(np.float64)
    base = weight[somewhere] * compared
    one = compared / np.maximum(count, 1)[:, None]
    gain, middle, level = np.ones(len(x)), _means(one, x), one @ y
    for _ in range(STEPS):
        error = np.abs(y - level[:, None] - gain[:, None, None] * (x - middle[:, None])).mean(-1)
        scale = np.array([_scale(*pair) for pair in zip(error, compared, strict=True)])
        share = base / (1 + (error / (2 * scale[:, None])) ** 2)
        share /= np.maximum(share.sum(axis=1), 1e-12)[:, None]
        middle, level = _means(share, x), share @ y
        before = x - middle[:, None]
        after = y - level[:, None]
        spread = _means(share, before * before).sum(axis=-1)
        # A flat patch says nothing of contrast.
        gain = (_means(share, before * after).sum(axis=-1) + 100) / (spread + 100)
    lights = []
    for k in range(len(x)):
        if count[k] < LEAST_PIXELS:
            lights.append(SAME_LIGHT)
            continue
        shift = _beyond(level[k] - middle[k], LEVEL_SLACK)
        change = float(np.clip(1 + _beyond(gain[k] - 1, GAIN_SLACK), *GAINS))
        start = middle[k].astype(np.float32)
        lights.append(Light(change, start, (middle[k] + shift).astype(np.float32)))
    return lights


def _means(share: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[K, 3]``, the means of ``[K, n, 3]`` with weights ``[K, n]``."""
    return np.asarray((share[:, None] @ values)[:, 0])


def _scale(error: NDArray[np.float64], compared: NDArray[np.bool_]) -> float:
    """Return a robust deviation of the errors, in grey levels."""
    return float(1.4826 * np.median(error[compared]) + 1) if compared.any() else 1.0


def _beyond(value: Any, slack: float) -> NDArray[np.float64]:
    return np.sign(value) * np.maximum(np.abs(value) - slack, 0)
