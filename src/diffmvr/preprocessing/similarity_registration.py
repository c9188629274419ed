"""The similarity that takes a part of one picture to another, found from grey levels (ours).

Gauss–Newton in its inverse compositional form (Baker and Matthews 2004): the gradients are those of
the template, so that they are found once.  Pixels that move or change by themselves have little say
(Cauchy's weights); a change of contrast and of level is found along with the motion.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape
from diffmvr.geometry import compose, invert, move_points, scaling
from diffmvr.structures import FloatArray, UInt8Array

LEVELS = ((4, 12), (2, 8))
"""Reductions of the pictures, from coarse to fine, and the most steps at each."""

SETTLED = 0.01
"""A step by fewer pixels is the last."""

LARGEST_STEP = 0.3
"""A step that turns or scales by more is no motion of a head: nothing is found."""

LEAST_PIXELS, LEAST_SEEN = 30, 0.08
"""So many pixels of the template, and this share of them, must be visible in the other picture."""

SEEN = 0.99
"""Least share of a reduced or interpolated pixel that is visible where pixels are compared."""

DAMPING = np.array([1e-3, 1e-3, 0, 0, 1e-2, 0])
"""How little turn, scale and contrast are changed, in shares of what the pixels say of each."""

Float32Array = NDArray[np.float32]


class Match(NamedTuple):
    """Where a template was found.

    Attributes:
        matrix: ``[2, 3]``, pixels of the template's picture → pixels of the other.
        correlation: of grey levels, over the pixels that were compared, weighted as in the fit.
    """

    matrix: FloatArray
    correlation: float


class _Level(NamedTuple):
    """Reduced pixels of a template.

    Attributes:
        places: ``[N, 2]`` (x, y).
        middle: ``[2]``, their mean.
        grey: ``[N]``.
        changes: ``[N, 6]``, by scale, turn, shift along x and y, contrast and level.
    """

    places: FloatArray
    middle: FloatArray
    grey: FloatArray
    changes: FloatArray


class SimilarityRegistration:
    """Finds a part of a picture in others.

    Args:
        image: ``[H, W, 3]`` uint8.
        part: ``[H, W]`` bool, the pixels to find.
    """

    def __init__(self, image: UInt8Array, part: NDArray[np.bool_]) -> None:
        check_same_shape("part", part, "image", image[..., 0])
        grey, inside = _grey(image), part.astype(np.float32)
        self._levels = [
            _level(_reduced(grey, reduction), _reduced(inside, reduction))
            for reduction, _ in LEVELS
        ]

    def match(
        self, image: UInt8Array, visible: NDArray[np.bool_], guess: FloatArray
    ) -> Match | None:
        """Find the part in another picture.

        Args:
            image: ``[h, w, 3]`` uint8.
            visible: ``[h, w]`` bool; the other pixels are not looked at.
            guess: ``[2, 3]``, pixels of the template's picture → pixels of this one, about.

        Returns:
            Where it is; ``None`` if too little of it is visible there, or it is not to be found.
        """
        grey, seen = _grey(image), visible.astype(np.float32)
        matrix, correlation = guess, 0.0
        for (reduction, steps), level in zip(LEVELS, self._levels, strict=True):
            down = _reduction(reduction)
            other = np.dstack([_reduced(grey, reduction), _reduced(seen, reduction)])
            found = _descend(level, other, compose(down, compose(matrix, invert(down))), steps)
            if found is None:
                return None
            matrix, correlation = compose(invert(down), compose(found.matrix, down)), found[1]
        return Match(matrix, correlation)


def _descend(level: _Level, other: Float32Array, matrix: FloatArray, steps: int) -> Match | None:
    correlation = 0.0
    nothing: Any = None
    if len(level.places) < LEAST_PIXELS:
        return None
    for _ in range(steps):
        place: Any = move_points(matrix, level.places).astype(np.float32)[None]
        there = cv2.remap(other, place, nothing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        seen = there[0, :, 1] > SEEN
        if np.count_nonzero(seen) < max(LEAST_PIXELS, LEAST_SEEN * len(seen)):
            return None
        x, y = level.grey[seen], there[0, seen, 0].astype(np.float64)
        error, changes = y - x, level.changes[seen]
        # 1. Whoever differs by much more than most counts little.
        spread = 1.4826 * np.median(np.abs(error - np.median(error))) + 1
        weight = 1 / (1 + ((error - np.median(error)) / (2 * spread)) ** 2)
        correlation = _correlation(x, y, weight)
        # 2. The step, as a motion of the template, which is undone.
        gram = changes.T @ (changes * weight[:, None])
        gram += np.diag(DAMPING * np.diag(gram) + 1e-6)
        scale, turn, *shift = np.linalg.solve(gram, changes.T @ (weight * error))[:4]
        if not np.hypot(scale, turn) <= LARGEST_STEP:
            return None
        turned = np.array([[1 + scale, -turn], [turn, 1 + scale]])
        step = np.column_stack([turned, level.middle + shift - turned @ level.middle])
        matrix = compose(matrix, invert(step))
        reach = np.abs(level.places - level.middle).max()
        if np.hypot(*shift) + reach * np.hypot(scale, turn) < SETTLED:
            break
    return Match(matrix, correlation)


def _correlation(x: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    product, squares = weight @ (x * y), (weight @ x**2) * (weight @ y**2)
    return float(product / np.sqrt(squares)) if squares > 0 else 0.0


def _level(grey: Float32Array, inside: Float32Array) -> _Level:
    rows, columns = np.nonzero(inside > SEEN)
    places = np.column_stack([columns, rows]).astype(np.float64)
    middle = places.mean(axis=0) if len(places) else np.zeros(2)
    gx, gy = (
        (cv2.Scharr(grey, cv2.CV_32F, *axis)[rows, columns] / 32).astype(np.float64)
        for axis in ((1, 0), (0, 1))
    )
    u, v = (places - middle).T
    values = grey[rows, columns].astype(np.float64)
    contrast = values - values.mean() if len(values) else values
    changes = [gx * u + gy * v, gy * u - gx * v, gx, gy, contrast, np.ones_like(gx)]
    return _Level(places, middle, values, np.column_stack(changes))


def _grey(image: UInt8Array) -> Float32Array:
    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.float32)


def _reduced(picture: Float32Array, reduction: int) -> Float32Array:
    height, width = (max(1, side // reduction) for side in picture.shape)
    # Whole pixels alone, so that the map between the sizes holds exactly.
    whole = picture[: height * reduction, : width * reduction]
    reduced: Any = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.float32)


def _reduction(reduction: int) -> FloatArray:
    """Return ``[2, 3]``, pixels → reduced pixels (pixel centres are integers)."""
    return scaling(1 / reduction)
