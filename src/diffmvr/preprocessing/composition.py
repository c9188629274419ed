"""What a bank of references says of a hidden part: a mixture, weighed by what is visible (ours).

Each reference is carried to the current frame in layers.  The weights, which sum to 1, are those
with which the carried references explain what is visible of the current frame near the hole: a
ridge regression towards equal weights, once for each place of a coarse grid.  It is the mean of a
Gaussian process over the frames of this face; the half-visible mouth says which mixture of earlier
mouths this is.  No hidden pixel of the current frame is looked at.

K references, H × W pixels of the current picture, h × w of its reduced form.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number
from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.layers import Window, enlarge_field, find_layers, show_layers
from diffmvr.preprocessing.light import SAME_LIGHT, match_light
from diffmvr.preprocessing.rim import rim_difference
from diffmvr.preprocessing.symmetry import GREY, warp_visible
from diffmvr.structures import FloatArray, PastSelection, UInt8Array

MOST_CARRIED = 6
"""So many references are carried; which, a coarse look at all of them says.  On five real
recordings all sixteen gave 0.2 dB more, at two and a half times the cost."""

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

LEAST_WEIGHT = 0.2
"""Where references of less weight in sum are known, the newest alone is shown."""

LARGE = 128
"""Of larger pictures every second row and column is compared."""

FLOOR = 1e-3
"""Added to the eigenvalues, in squared grey levels: equal references get equal weights."""


class Composite(NamedTuple):
    """What references show of a window of the current picture.

    Attributes:
        image: ``[H', W', 3]`` uint8, grey (128) where unknown.
        known: ``[H', W']`` bool.
        deviation: ``[H', W']`` float32, how far the references disagree (weighted standard
            deviation over them, mean over the channels), in grey levels.
        weights: by the reference's number in the recording, its mean weight in the hole.
    """

    image: UInt8Array
    known: NDArray[np.bool_]
    deviation: NDArray[np.float32]
    weights: dict[int, float]


def compose_references(
    references: Sequence[Reference],
    current: Reference,
    window: Window | None = None,
    most: int = MOST_CARRIED,
) -> Composite:
    """Carry references to the current frame and mix them.

    Args:
        references: of the same face; the last is the newest.
        current: the current frame, whose hidden pixels are not looked at.
        window: the rows and columns that are wanted; all by default.
        most: how many references are carried; 1 shows the one that fits best.

    Raises:
        ValueError: if there is no reference.
    """
    check_number("most", most, 1, 1000)
    if not references:
        raise ValueError("references: expected at least one, got none")
    height, width = current.picture.mask.shape
    rows, columns = window or (slice(0, height), slice(0, width))
    chosen = [references[k] for k in choose(references, current, most)]
    carried = [find_layers(one.picture, current.picture, one.motions_to(current)) for one in chosen]
    image, mask = current.picture.small
    near = _near_hole(mask)
    # A bank of one shows what the past guide without a bank does, bit for bit.
    lights = [SAME_LIGHT] * len(carried)
    if len(references) > 1 or not references[0].is_of_recording:
        lights = [match_light(*layers.mean, image, near) for layers in carried]
    shown = [light.apply(layers.mean[0]) for light, layers in zip(lights, carried, strict=True)]
    known = [layers.mean[1] for layers in carried]
    fields = weigh(np.stack(shown), np.stack(known), image, mask)

    size = rows.stop - rows.start, columns.stop - columns.start
    to_window = np.array([[1.0, 0, -columns.start], [0, 1, -rows.start]])
    enlarge = compose(to_window, invert(current.picture.reduction))
    pictures, weights = [], []
    result, anywhere = np.full((*size, 3), GREY, np.uint8), np.zeros(size, bool)
    for one, layers, light, field in zip(chosen, carried, lights, fields, strict=True):
        picture, seen = show_layers(
            one.picture, current.picture, layers.hypotheses, (rows, columns)
        )
        if not light.is_same:
            changed = np.rint(light.apply(picture.astype(np.float32))).clip(0, 255)
            picture = np.where(seen[..., None], changed, picture).astype(np.uint8)
        result[seen], anywhere = picture[seen], anywhere | seen
        pictures.append(picture.astype(np.float32))
        weights.append(np.where(seen, enlarge_field(field, enlarge, size), 0)[..., None])
    total = np.sum(weights, axis=0)
    enough = total >= LEAST_WEIGHT
    mean = sum(w * p for w, p in zip(weights, pictures, strict=True)) / np.where(enough, total, 1)
    result = np.where(enough, np.rint(np.clip(mean, 0, 255)), result).astype(np.uint8)
    trust = np.abs(weights)
    errors = [t * (p - result) ** 2 for t, p in zip(trust, pictures, strict=True)]
    variance = (np.sum(errors, axis=0) / np.maximum(trust.sum(axis=0), 1e-6)).mean(axis=-1)
    if len(references) > 1 and mask.any():
        joined = _mean_of(shown, known, fields)
        shift = rim_difference(*joined, image, mask)
        hidden = (current.picture.mask[rows, columns] != 0) & anywhere
        met = result[hidden] + enlarge_field(shift, enlarge, size)[hidden]
        result[hidden] = np.rint(met).clip(0, 255)
    hole = mask != 0
    return Composite(
        image=result,
        known=anywhere,
        deviation=np.sqrt(variance).astype(np.float32),
        weights={
            one.index: float(field[hole].mean() if hole.any() else field.mean())
            for one, field in zip(chosen, fields, strict=True)
        },
    )


def _mean_of(
    shown: Sequence[NDArray[np.float32]],
    known: Sequence[NDArray[np.bool_]],
    fields: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the mixture at the reduced size, ``[h, w, 3]``, and where it is one, ``[h, w]``."""
    weights = [np.where(seen, field, 0) for seen, field in zip(known, fields, strict=True)]
    total = np.sum(weights, axis=0)
    enough: NDArray[np.bool_] = total >= LEAST_WEIGHT
    blend = sum(w[..., None] * picture for w, picture in zip(weights, shown, strict=True))
    mean: Any = blend / np.where(enough, total, 1)[..., None]
    return mean.astype(np.float32), enough


def most_carried(past: PastSelection) -> int:
    """Return how many references a selection carries: the best alone, or several."""
    return 1 if past.select == "matched" else MOST_CARRIED


def choose(references: Sequence[Reference], current: Reference, most: int) -> list[int]:
    """Return the places of the references that are worth carrying, the oldest first.

    Each is moved by its head's motion alone, in a coarse picture.  One is chosen by its error near
    the hole, several by their weights.
    """
    if len(references) <= most:
        return list(range(len(references)))
    image, mask = current.picture.coarse
    shown, known = [], []
    for one in references:
        motion = compose(one.motions_to(current).head, invert(one.picture.coarsening))
        matrix = compose(current.picture.coarsening, motion)
        picture, seen = warp_visible(*one.picture.coarse, matrix, mask.shape)
        shown.append(picture.astype(np.float32))
        known.append(seen)
    products, weight = _products(np.stack(shown), np.stack(known), image, mask)
    gram = (products * weight).sum(axis=(2, 3)) / max(float(weight.sum()), 1e-6)
    if most == 1:
        return [int(np.argmin(np.diag(gram)))]
    order = np.argsort(-np.abs(ridge(gram)), kind="stable")
    return sorted(order[:most].tolist())


def weigh(
    shown: NDArray[np.float32],
    known: NDArray[np.bool_],
    image: UInt8Array,
    mask: UInt8Array,
) -> NDArray[np.float32]:
    """Find the weights of carried references at each place.

    Args:
        shown: ``[K, h, w, 3]``, what each shows.
        known: ``[K, h, w]``.
        image: ``[h, w, 3]`` uint8, the current picture; its hidden pixels are not looked at.
        mask: ``[h, w]`` 0/1, 1 = hidden.

    Returns:
        ``[K, h, w]`` float32; they sum to 1 over K.  Some may be negative.
    """
    count, height, width = known.shape
    if count == 1:
        return np.ones((1, height, width), np.float32)
    products, weight = _products(shown, known, image, mask)
    near = [_windows(size, side) for size, side in zip(weight.shape, (height, width), strict=True)]
    share = near[0] @ weight @ near[1].T + GLOBAL_SHARE * weight.sum()
    local = near[0] @ (products * weight) @ near[1].T
    everywhere = GLOBAL_SHARE * (products * weight).sum(axis=(2, 3), keepdims=True)
    grams = (local + everywhere) / np.maximum(share, 1e-6)
    coarse = ridge(np.moveaxis(grams, (2, 3), (0, 1)))
    fields = [cv2.resize(coarse[..., k], (width, height)) for k in range(count)]
    return np.stack(fields).astype(np.float32)


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


def _products(
    shown: NDArray[np.float32], known: NDArray[np.bool_], image: UInt8Array, mask: UInt8Array
) -> tuple[FloatArray, FloatArray]:
    """Return ``[K, K, h', w']``, products of differences (mean over the channels), and weights.

    Where a reference is not known, it differs as the others do on the mean.
    """
    thin = np.s_[..., ::2, ::2] if min(mask.shape) > LARGE else np.s_[..., :, :]
    channels = np.moveaxis(shown, -1, 1)[thin]
    seen = known[thin][:, None]
    difference = np.where(seen, channels - np.moveaxis(image, -1, 0)[thin], 0)
    count = seen.sum(axis=0)
    mean = difference.sum(axis=0) / np.maximum(count, 1)
    difference = np.where(seen, difference, mean).astype(np.float64)
    products = np.einsum("kchw,lchw->klhw", difference, difference) / 3
    return products, _near_hole(mask)[thin] * (2 * count[0] >= len(known))


def _near_hole(mask: UInt8Array) -> FloatArray:
    """Return ``[h, w]``, how much what is visible counts: 1 at the hole's rim, 0 in the hole."""
    visible = (mask == 0).astype(np.uint8)
    if visible.all():
        return np.ones(mask.shape)
    distance: Any = cv2.distanceTransform(visible, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weights: FloatArray = visible * np.exp(-0.5 * (distance / (REACH * min(mask.shape))) ** 2)
    return weights


def _windows(size: int, side: int) -> FloatArray:
    """Return ``[GRID, size]``, a Gaussian around each place of the grid; pixels may be thinned."""
    step = -(-side // size)
    places = (np.arange(GRID) + 0.5) * side / GRID - 0.5
    away = (step * np.arange(size) - places[:, None]) / side
    return np.exp(-0.5 * (away / LOCALITY) ** 2)
