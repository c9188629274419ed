"""What a bank of references says of a hidden part: a mixture, weighed by what is visible (ours).

Each reference is carried to the current frame in layers.  The weights, which sum to 1, are those
with which the carried references explain what is visible of the current frame near the hole: a
ridge regression towards equal weights, once for each place of a coarse grid.  It is the mean of a
Gaussian process over the frames of this face; the half-visible mouth says which mixture of earlier
mouths this is (``weighing.py``).  No hidden pixel of the current frame is looked at.

K references, H × W pixels of the current picture, h × w of its reduced form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number
from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.alignment import enlarge_field
from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.evidence import LEAST_WEIGHT, Evidence
from diffmvr.preprocessing.layers import (
    Window,
    find_layers,
    map_to,
    show_layers,
    weighted_mean,
)
from diffmvr.preprocessing.light import SAME_LIGHT, match_lights
from diffmvr.preprocessing.mirrored_change import mirrored_change
from diffmvr.preprocessing.rim import rim_difference
from diffmvr.preprocessing.visible import GREY, move
from diffmvr.preprocessing.weighing import (
    LARGE,
    differences_of,
    gram_of,
    near_hole,
    ridge,
    weigh,
)
from diffmvr.structures import PastSelection, UInt8Array

LIGHT_STEP = 4
"""Of large pictures so many rows and columns are one in the comparison of light, which has few
unknowns."""


class Part(NamedTuple):
    """What one reference shows of a window, and how it enters the mixture.

    Attributes:
        picture: ``[H', W', 3]`` uint8.
        seen: ``[H', W']`` bool, where it shows anything.
        weight: ``[H', W']`` float32.
    """

    picture: UInt8Array
    seen: NDArray[np.bool_]
    weight: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Composite:
    """What references show of a window of the current picture.

    Attributes:
        image: ``[H', W', 3]`` uint8, grey (128) where unknown.
        known: ``[H', W']`` bool.
        weights: by the reference's number in the recording, its mean weight in the hole.
        evidence: how far the references explain the whole picture, at its reduced size.
    """

    image: UInt8Array
    known: NDArray[np.bool_]
    weights: dict[int, float]
    evidence: Evidence


def compose_references(
    references: Sequence[Reference],
    current: Reference,
    window: Window | None = None,
    most: int = PastSelection.carried,
    mirrored: bool = False,
) -> Composite:
    """Carry references to the current frame and mix them.

    Args:
        references: of the same face; the last is the newest.
        current: the current frame, whose hidden pixels are not looked at.
        window: the rows and columns that are wanted; all by default.
        most: how many references are carried; 1 shows the one that fits best.
        mirrored: whether what has changed in the visible half is shown in the hidden one, too; see
            ``mirrored_change.py``.

    Raises:
        ValueError: if there is no reference.
    """
    check_number("most", most, 1, 1000)
    if not references:
        raise ValueError("references: expected at least one, got none")
    height, width = current.picture.mask.shape
    rows, columns = window or (slice(0, height), slice(0, width))
    chosen = [references[k] for k in choose(references, current, most)]
    # A bank of one shows what the past guide without a bank does, bit for bit.
    several = len(references) > 1
    relit = several or not references[0].is_of_recording
    carried = [
        find_layers(one.picture, current.picture, one.motions_to(current), spline=several)
        for one in chosen
    ]
    image, mask = current.picture.small
    known = np.stack([layers.mean[1] for layers in carried])
    lights = [SAME_LIGHT] * len(carried)
    if relit:
        step = LIGHT_STEP if min(mask.shape) > LARGE else 1
        thin = slice(None, None, step), slice(None, None, step)
        near = near_hole(mask)[thin]
        means = np.stack([layers.mean[0][thin] for layers in carried])
        lights = match_lights(means, known[:, *thin], image[thin], near)
    pairs = zip(lights, carried, strict=True)
    shown = np.stack([light.apply(layers.mean[0]) for light, layers in pairs])
    found = weigh(shown, known, image, mask)
    evidence = Evidence(
        image=image,
        mask=mask,
        shown=shown,
        known=known,
        weights=found.shown,
        trust=found.evidence,
    )

    to_window, size = map_to((rows, columns))
    enlarge = compose(to_window, invert(current.picture.reduction))
    parts = []
    for one, layers, light, field in zip(chosen, carried, lights, found.shown, strict=True):
        picture, seen = show_layers(
            one.picture, current.picture, layers.hypotheses, (rows, columns)
        )
        parts.append(Part(light.shown(picture), seen, enlarge_field(field, enlarge, size)))
    result = mix_parts(parts)
    known_there = np.any([part.seen for part in parts], axis=0)
    if (several or mirrored) and mask.any():
        joined = evidence.mixture
        shift = np.zeros_like(joined[0])
        if several:
            shift += rim_difference(*joined, image, mask)
        if mirrored:
            face = compose(current.picture.reduction, current.face)
            shift += mirrored_change(*joined, image, mask, face)
        hidden = (current.picture.mask[rows, columns] != 0) & known_there
        met = result[hidden] + enlarge_field(shift, enlarge, size)[hidden]
        result[hidden] = np.rint(met).clip(0, 255)
    hole = mask != 0
    return Composite(
        image=result,
        known=known_there,
        weights={
            one.index: float(field[hole].mean() if hole.any() else field.mean())
            for one, field in zip(chosen, found.shown, strict=True)
        },
        evidence=evidence,
    )


def mix_parts(parts: Sequence[Part]) -> UInt8Array:
    """Return the weighted mean of what references show; where they count too little, the newest."""
    shown = [(part.picture, part.seen) for part in parts]
    mean, enough = weighted_mean(shown, [part.weight for part in parts], LEAST_WEIGHT)
    result: Any = cv2.convertScaleAbs(np.maximum(mean, np.float32(0)))
    result[~enough] = GREY
    for picture, seen in shown:
        lacking = seen & ~enough
        result[lacking] = picture[lacking]
    mixture: UInt8Array = result
    return mixture


def choose(references: Sequence[Reference], current: Reference, most: int) -> list[int]:
    """Return the places of the references that are worth carrying, the oldest first.

    Each is moved by its head's motion alone, in a coarse picture.  One is chosen by its error near
    the hole, several by their weights; the nearest in time, which knows best what is off the head,
    is among those.
    """
    if len(references) <= most:
        return list(range(len(references)))
    image, mask = current.picture.coarse
    shown, known = [], []
    for one in references:
        motion = compose(one.motions_to(current).head, invert(one.picture.coarsening))
        matrix = compose(current.picture.coarsening, motion)
        picture, seen = move(one.picture.coarse_seen, matrix, mask.shape)
        shown.append(picture.astype(np.float32))
        known.append(seen)
    gram = gram_of(*differences_of(np.stack(shown), np.stack(known), image, mask))
    if most == 1:
        return [int(np.argmin(np.diag(gram)))]
    weight = np.abs(ridge(gram))
    weight[_nearest(references, current)] = np.inf
    order = np.argsort(-weight, kind="stable")
    return sorted(order[:most].tolist())


def _nearest(references: Sequence[Reference], current: Reference) -> int:
    """Return the place of the reference that is nearest in time; of the first if none has one."""

    def distance(k: int) -> float:
        one = references[k]
        return abs(one.index - current.index) if one.is_of_recording else np.inf

    return min(range(len(references)), key=distance)
