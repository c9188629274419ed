"""A restored crop laid back into its frame, and what is seen on the way of how sure that is."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.doubt.judgement import Judged
from diffmvr.doubt.sight import Judge, Sight
from diffmvr.geometry import compose, scaling
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.evidence import Evidence
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.restoration.detail import Detail
from diffmvr.restoration.lenders import FrameInPlace
from diffmvr.restoration.paste_back import paste_back, paste_corrected, shows_all
from diffmvr.structures import UInt8Array

NO_VIEW = "no clear view of the face before this moment"
NOT_LED = "this restoration is not led by earlier views of the face"


@dataclass(frozen=True, eq=False)
class Hole:
    """A frame with a hole, and what is to fill it.

    Attributes:
        frame: as it was read.
        place: the same, with where its face is.
        crop: ``[p, p, 3]`` uint8, the restored crop.
        correction: ``[p, p, 3]`` float32, what the model adds to what is known; ``None`` where all
            of its crop counts.
        detail: what clear frames show of it; ``None`` where nobody asks for that.
        hidden_share: of the face.
        age: seconds to the nearest clear view of the recording, if there is one.
        mirrored: ``[p, p]`` float32, how far the guides disagree; see ``Sight``.
    """

    frame: Frame
    place: FrameInPlace
    crop: UInt8Array
    correction: NDArray[np.float32] | None
    detail: Detail | None
    hidden_share: float = 0.0
    age: float | None = None
    mirrored: NDArray[np.float32] | None = None


def lay_back(
    hole: Hole,
    feather: float,
    past_detail: bool,
    judge: Judge | None = None,
    trial_error: float | None = None,
) -> tuple[Frame, Judged | None]:
    """Return a frame with its hole filled, and what a judge says of it.

    Args:
        hole: what is filled with what.
        feather: width of the seam inside the hole, in pixels of the frame.
        past_detail: whether clear frames lend detail finer than the model's pixels.
        judge: says how sure the frame is, where clear frames were mixed; ``None``: nobody.
        trial_error: see ``Sight``.
    """
    place = hole.place
    if not place.mask.any():
        return hole.frame, None
    whole = place.image, place.mask, place.crop
    detail = hole.detail
    beneath = None if detail is None else detail[:2]
    if past_detail and hole.correction is not None and beneath is not None:
        image = paste_corrected(hole.correction, *whole, beneath, feather)
    else:
        if shows_all(place.mask, place.crop):
            beneath = None
        image = paste_back(hole.crop, *whole, feather, beneath)
    said = None
    if judge is not None:
        if detail is not None and detail.composite is not None:
            evidence = detail.composite.evidence
            said = judge(_sight(hole, image, detail.square, evidence, trial_error))
        else:
            why = NO_VIEW if past_detail else NOT_LED
            said = judge.blind(hole.hidden_share, why)
    return replace(hole.frame, image=image), said


def _sight(
    hole: Hole,
    image: UInt8Array,
    square: CropTransform,
    evidence: Evidence,
    trial_error: float | None,
) -> Sight:
    height, width = evidence.mask.shape
    reduction = scaling(width / square.size, height / square.size)
    to_sight = compose(reduction, compose(square.matrix, hole.place.crop.inverse))

    def moved(field: NDArray[np.float32], beyond: float) -> NDArray[np.float32]:
        """Return a field of the model's crop at the sight's pixels."""
        there: Any = cv2.warpAffine(
            field, to_sight, (width, height), flags=cv2.INTER_LINEAR, borderValue=beyond
        )
        return np.asarray(there, np.float32)

    correction, mirrored = (np.zeros((height, width), np.float32) for _ in range(2))
    if hole.correction is not None:
        correction = moved(np.abs(hole.correction).mean(axis=-1), 0.0)
    if hole.mirrored is not None:
        mirrored = moved(hole.mirrored, np.nan)
    filled = cv2.resize(square.apply(image), (width, height), interpolation=cv2.INTER_AREA)
    return Sight(
        index=hole.place.index,
        time=hole.place.time,
        evidence=evidence,
        matrix=compose(reduction, square.matrix),
        filled=np.asarray(filled, np.uint8),
        mirrored=mirrored,
        correction=correction,
        hidden_share=hole.hidden_share,
        age=hole.age,
        trial_error=trial_error,
    )
