"""The weights of carried references, found from what is visible near the hole (ours).

A ridge regression towards equal weights, once for each place of a coarse grid: the mean of a
Gaussian process over the frames of a face.  Where the references show different states and nothing
that is visible near tells them apart, the mean of them all would be a state that never was, two
mouths in one; there one of them is shown.

K references, h × w pixels.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import distance_inside
from diffmvr.structures import FloatArray, UInt8Array

SHRINKAGE = 0.05
"""λ of the ridge, in mean eigenvalues of the references' differences from the current frame."""

GRID = 8
"""Weights are found at so many places along each side."""

LOCALITY = 0.1
"""Width (standard deviation, in shares of the shorter side) of what is compared at each place."""

GLOBAL_SHARE = 0.02
"""What is visible elsewhere counts this much at each place, so that none is without evidence."""

REACH = 0.15
"""How far from the hole what is visible counts (standard deviation, in shares of the side)."""

NOWHERE = 1e-3
"""Where no more than this of what is visible is near, all of it chooses."""

LARGE = 128
"""Of larger pictures every second row and column is compared."""

FLOOR = 1e-3
"""Added to the eigenvalues, in squared grey levels: equal references get equal weights."""

TOLD = (0.15, 0.4)
"""How far the references differ in what is visible around a place (as ``LOCALITY`` says; what is
hidden differs by nothing), in shares of how far they differ at the place: with less the visible
does not tell them apart, and one reference is shown; with more their mixture."""

DISAGREEMENT = (6.0, 14.0)
"""Standard deviation of the references around a place, in grey levels: with less their mixture is
shown, with more one of them if the visible does not tell them apart."""

AROUND = 0.03
"""Width of what is around, there (standard deviation, in shares of the shorter side)."""

CHOICE = 0.08
"""The one that is shown has the least error in what is visible so near to where it is shown
(standard deviation, in shares of the shorter side).  On six real recordings the mouth under a hand
is then one mouth; the whole picture's error chose another one, 0.2 dB worse."""

TIE = 0.02
"""References whose errors near the hole differ by this share of the least are mixed still, so that
one gives way to another without a jump."""


class Weights(NamedTuple):
    """``[K, h, w]`` float32 each; they sum to 1 over K, and some may be negative.

    Attributes:
        shown: with which references are mixed.
        evidence: what the visible pixels say of them.
    """

    shown: NDArray[np.float32]
    evidence: NDArray[np.float32]


def weigh(
    shown: NDArray[np.float32],
    known: NDArray[np.bool_],
    image: UInt8Array,
    mask: UInt8Array,
) -> Weights:
    """Find the weights of carried references at each place.

    Args:
        shown: ``[K, h, w, 3]``, what each shows.
        known: ``[K, h, w]``.
        image: ``[h, w, 3]`` uint8, the current picture; its hidden pixels are not looked at.
        mask: ``[h, w]`` 0/1, 1 = hidden.

    Returns:
        What is shown, and what was found before one reference stood in for the mixture.
    """
    count, height, width = known.shape
    if count == 1:
        alone = np.ones((1, height, width), np.float32)
        return Weights(alone, alone)
    difference, weight = differences_of(shown, known, image, mask)
    near = [_windows(size, side) for size, side in zip(weight.shape, (height, width), strict=True)]
    share = near[0] @ weight @ near[1].T + GLOBAL_SHARE * weight.sum()
    gram = gram_of(difference, weight)
    local = near[0] @ (_products(difference) * weight) @ near[1].T
    total = gram * max(float(weight.sum()), 1e-6)
    grams = (local + GLOBAL_SHARE * total[..., None, None]) / np.maximum(share, 1e-6)
    coarse = ridge(np.moveaxis(grams, (2, 3), (0, 1)))
    fields = np.stack([cv2.resize(coarse[..., k], (width, height)) for k in range(count)])
    variance, visible = _variance(shown, known), mask[thinned(mask)] == 0
    guess = _disagreement(variance) * _untold(variance, visible)
    around = cv2.GaussianBlur(guess * ~visible, (0, 0), CHOICE * min(guess.shape))
    compared = (weight > 0) * around
    errors = np.diag(gram_of(difference, compared) if compared.max() > NOWHERE else gram)
    one: Any = cv2.resize(guess, (width, height))
    mixed = fields * (1 - one) + _best(errors)[:, None, None] * one
    return Weights(mixed.astype(np.float32), fields.astype(np.float32))


def ridge(gram: NDArray[np.floating[Any]], shrinkage: float = SHRINKAGE) -> FloatArray:
    """Return the weights w, Σw = 1, of the least wᵀGw + λ‖w − 1/K‖², which are ∝ (G + λI)⁻¹1.

    Args:
        gram: ``[..., K, K]``, mean products of the references' differences from the current frame.
        shrinkage: λ in mean eigenvalues of G.

    Returns:
        ``[..., K]`` float64.
    """
    count = gram.shape[-1]
    eigenvalue = np.trace(gram, axis1=-2, axis2=-1)[..., None, None] / count
    system = gram + (shrinkage * eigenvalue + FLOOR) * np.eye(count)
    weights = np.linalg.solve(system, np.ones((*gram.shape[:-1], 1)))[..., 0]
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), np.float64)


def differences_of(
    shown: NDArray[np.float32], known: NDArray[np.bool_], image: UInt8Array, mask: UInt8Array
) -> tuple[NDArray[np.float32], FloatArray]:
    """Return ``[K, 3, h', w']``, how references differ from the current picture, and weights.

    Where a reference is not known, it differs as the others do on the mean.
    """
    thin = thinned(mask)
    seen = known[:, *thin]
    count = seen.sum(axis=0)
    current = image[thin].astype(np.float32)
    difference = (shown[:, *thin] - current) * seen[..., None].astype(np.float32)
    mean = difference.sum(axis=0) / np.maximum(count, 1)[..., None].astype(np.float32)
    difference[~seen] = np.broadcast_to(mean, difference.shape)[~seen]
    planes = np.ascontiguousarray(np.moveaxis(difference, -1, 1))
    return planes, near_hole(mask)[thin] * (2 * count >= len(known))


def gram_of(difference: NDArray[np.float32], weight: FloatArray) -> FloatArray:
    """Return ``[K, K]``, the weighted mean products of differences, over pixels and channels."""
    flat = (difference * np.sqrt(weight)).reshape(len(difference), -1)
    return np.asarray(flat @ flat.T / (3 * max(float(weight.sum()), 1e-6)), np.float64)


def _products(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``[K, K, h', w']``, products of differences, mean over the channels."""
    count = len(difference)
    products = np.empty((count, count, *difference.shape[2:]), np.float32)
    for k, one in enumerate(difference):
        red, green, blue = (one[c] * difference[k:, c] for c in range(3))
        products[k, k:] = products[k:, k] = (red + green + blue) / np.float32(3)
    return products


def thinned(mask: UInt8Array) -> tuple[slice, slice]:
    """Return the rows and columns of a picture that are compared."""
    step = 2 if min(mask.shape) > LARGE else 1
    return slice(None, None, step), slice(None, None, step)


def near_hole(mask: UInt8Array) -> FloatArray:
    """Return ``[h, w]``, how much what is visible counts: 1 at the hole's rim, 0 in the hole."""
    visible = mask == 0
    if visible.all():
        return np.ones(mask.shape)
    distance = distance_inside(visible)
    weights: FloatArray = visible * np.exp(-0.5 * (distance / (REACH * min(mask.shape))) ** 2)
    return weights


def _windows(size: int, side: int) -> FloatArray:
    """Return ``[GRID, size]``, a Gaussian around each place of the grid; pixels may be thinned."""
    step = -(-side // size)
    places = (np.arange(GRID) + 0.5) * side / GRID - 0.5
    away = (step * np.arange(size) - places[:, None]) / side
    return np.exp(-0.5 * (away / LOCALITY) ** 2)


def _best(errors: FloatArray) -> FloatArray:
    """Return ``[K]`` weights, nearly 1 for the least mean squared error."""
    error = np.sqrt(errors + FLOOR)
    share = np.exp(-(error / error.min() - 1) / TIE)
    return np.asarray(share / share.sum(), np.float64)


def _variance(shown: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return ``[h', w']``, how far the references differ, in squared grey levels."""
    thin = slice(None), *thinned(known[0])
    seen, values = known[thin].astype(np.float32)[..., None], shown[thin]
    count = np.maximum(seen.sum(axis=0), 1)
    mean = (values * seen).sum(axis=0) / count
    squares = ((values - mean) ** 2 * seen).sum(axis=0) / count
    return np.asarray(squares.mean(axis=-1), np.float32)


def _disagreement(variance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``[h', w']``, 1 where the references show different states."""
    return _ramp(np.sqrt(_around(variance, AROUND)), *DISAGREEMENT)


def _untold(variance: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return ``[h', w']``, 1 where what is visible near does not tell the references apart."""
    told = _around(variance * visible, LOCALITY) / np.maximum(_around(variance, AROUND), 1e-6)
    return 1 - _ramp(np.sqrt(told), *TOLD)


def _around(field: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return the mean around each place; ``width`` is in shares of the shorter side."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), width * min(field.shape)), np.float32)


def _ramp(value: NDArray[np.floating[Any]], low: float, high: float) -> NDArray[np.float32]:
    """Return 0 below ``low``, 1 above ``high``, and smoothly between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
