"""Lids that close: skin is stretched over the eye, which stays as it is behind it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.rng import smoothstep
from diffmvr.structures import FloatArray

REACH_ABOVE, REACH_BELOW = 0.22, 0.12
"""How far above and below the eye skin moves with a lid, in distances between the eyes."""

MEETING = 0.9
"""Where closed lids meet, from the upper lid (0) to the lower one (1)."""


@dataclass(frozen=True)
class Lids:
    """The lids of one eye, and the skin that goes with them.

    Attributes:
        upper: landmarks of the upper lid's edge, corners included, from left to right.
        lower: of the lower lid's; the n-th lies under the upper one's n-th.
        above: ``[A]`` landmarks of the skin that goes with the upper lid.
        above_share: ``[A]`` how far.
        below: ``[B]`` landmarks that go with the lower lid.
        below_share: ``[B]`` how far.
    """

    upper: list[int]
    lower: list[int]
    above: NDArray[np.int64]
    above_share: FloatArray
    below: NDArray[np.int64]
    below_share: FloatArray

    @classmethod
    def of(cls, face: FloatArray, upper: tuple[int, ...], lower: tuple[int, ...]) -> "Lids":
        """Find the skin around an eye.

        Args:
            face: ``[478, 2]`` canonical, eyes open.
            upper: landmarks of the upper lid's edge.
            lower: of the lower one's.
        """
        edges = [*upper], [*lower]
        x, y = face.T
        top, bottom = (_along(face[edge], x, face[edge, 1]) for edge in edges)
        low, high = face[edges[0], 0].min(), face[edges[0], 0].max()
        beside = np.maximum(low - x, x - high) / (high - low)
        inside = 1.0 - smoothstep((beside + 0.02) / 0.15)
        # The edges move by themselves, irises not at all.
        inside[[*upper, *lower, *range(468, len(face))]] = 0.0
        above = np.where(y < top, np.clip(1.0 - (top - y) / REACH_ABOVE, 0, 1), 0.0) * inside
        below = np.where(y > bottom, np.clip(1.0 - (y - bottom) / REACH_BELOW, 0, 1), 0.0) * inside
        up, down = np.flatnonzero(above), np.flatnonzero(below)
        return cls(*edges, up, above[up] ** 1.5, down, below[down] ** 1.5)

    def close(self, shape: FloatArray, share: float) -> None:
        """Bring the lids together in ``shape``, in place.

        Args:
            shape: ``[V, 2]`` canonical, eyes open; landmarks come first.
            share: 0 leaves them open, 1 closes them.
        """
        upper, lower = shape[self.upper], shape[self.lower]
        gap = share * (lower - upper)
        for numbers, weight, factor in (
            (self.above, self.above_share, MEETING),
            (self.below, self.below_share, MEETING - 1.0),
        ):
            x = shape[numbers, 0]
            step = np.stack([_along(upper, x, gap[:, axis]) for axis in range(2)], axis=1)
            shape[numbers] += factor * weight[:, None] * step
        # The corners are on both edges, and their gap is none.
        shape[self.upper] = upper + MEETING * gap
        shape[self.lower] = lower + (MEETING - 1.0) * gap


def _along(edge: FloatArray, x: FloatArray, values: FloatArray) -> FloatArray:
    """Interpolate values of an edge's points over x."""
    order = np.argsort(edge[:, 0])
    return np.interp(x, edge[order, 0], values[order])
