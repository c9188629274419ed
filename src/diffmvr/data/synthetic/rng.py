"""Seeded randomness: one independent stream for each aspect of a clip.

An aspect's numbers depend on (seed, subject, clip, aspect) alone, so that drawing one more number
for the background never changes a face.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Stream(IntEnum):
    """The aspects of a clip; the numbers are part of the benchmark and never change."""

    IDENTITY = 1
    EXPRESSION = 2
    POSE = 3
    LIGHT = 4
    BACKGROUND = 5
    OCCLUDER = 6
    CAPTION = 7
    SKIN_TEXTURE = 8


def generator(seed: int, subject: int, clip: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one aspect.

    Args:
        seed: the benchmark's seed, ≥ 0.
        subject: number of the subject, ≥ 0.
        clip: number of the clip, ≥ 0; 0 for what all clips of a subject share.
        stream: the aspect.
    """
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, subject, clip, int(stream)]))
    )


def smooth_path(rng: np.random.Generator, frames: int, spacing: float, count: int) -> FloatArray:
    """Draw smooth random paths: uniform cubic B-splines through random control values.

    Args:
        rng: source of the control values.
        frames: number of samples T.
        spacing: frames between two control values.
        count: number of paths N.

    Returns:
        ``[T, N]`` in [-1, 1], twice continuously differentiable in time, of zero mean over draws.
    """
    knots = int(np.ceil(frames / spacing)) + 4
    # Splines average their control values; values beyond ±1 give the range back.
    values = rng.uniform(-1.6, 1.6, size=(knots, count))
    position = np.arange(frames) / spacing
    first = position.astype(int)
    u = (position - first)[:, None]
    weights = (
        (1 - u) ** 3 / 6,
        (3 * u**3 - 6 * u**2 + 4) / 6,
        (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6,
        u**3 / 6,
    )
    path = sum(w * values[first + k] for k, w in enumerate(weights))
    return np.clip(np.asarray(path), -1.0, 1.0)


def smoothstep(x: FloatArray) -> FloatArray:
    """Return 3x² - 2x³ of ``x`` clamped to [0, 1]."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
