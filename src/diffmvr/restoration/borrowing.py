"""The hidden frames of a window, and what each borrows of the clear ones before it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.restoration.detail import Detail, past_guide
from diffmvr.restoration.lenders import FrameInPlace, Lenders, Lent
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.restoration.windows import Window, in_place, lend
from diffmvr.structures import UInt8Array


class Borrower(NamedTuple):
    """A frame, and what it may borrow.

    Attributes:
        place: the frame, and where its face is.
        region: a square that holds the model's crop and the hole.
        lent: what clear frames lend; nothing to a frame without a hole.
        latest: number of the latest clear frame before it, if there is one.
    """

    place: FrameInPlace
    region: CropTransform
    lent: Lent
    latest: int | None


def borrowers(
    plan: ScenePlan,
    first: int,
    window: Window,
    lenders: Lenders,
    clear: NDArray[np.bool_],
    others: Sequence[Reference],
) -> Iterator[Borrower]:
    """Yield the frames of a window in order; clear ones lend to those after them.

    Args:
        plan: of the scene.
        first: place of the window's first frame in it.
        window: the frames.
        lenders: the clear frames so far; those of the window are added.
        clear: for each frame, whether its face is clear.
        others: later frames of the same face, and pictures that are not of the recording.
    """
    for k, (frame, mask) in enumerate(window):
        place = in_place(plan, first + k, frame, mask)
        lent = lenders.lend(frame.index, others) if mask.any() else Lent(())
        yield Borrower(place, plan.regions[first + k], lent, lenders.latest)
        if clear[k]:
            lend(plan, place, lenders)


def past_guides(
    frames: Sequence[Borrower], details: Sequence[Detail | None]
) -> dict[int, UInt8Array]:
    """Return the model's past guides, ``[p, p, 3]``, of the frames for which clear ones were mixed.

    They are made of the mixtures at the recording's resolution, so that nothing is mixed twice.
    """
    return {
        k: past_guide(detail, one.place.crop)
        for k, (one, detail) in enumerate(zip(frames, details, strict=True))
        if detail is not None and detail.composite is not None
    }
