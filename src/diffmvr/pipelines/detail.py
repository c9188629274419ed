"""Detail finer than the model's pixels, taken from the past clear frame (ours, not the paper's).

A model of 64 × 64 pixels cannot show the skin of a face that fills 400.  The past frame can:
carried to the current one at the recording's own resolution, it lends what the model's resolution
loses (the difference between the carried frame and its reduced self), and the model's picture stays
in charge of everything coarser.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, invert, scaling, zoom_of
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.layers import Motions, propagate_in_layers
from diffmvr.structures import FloatArray, UInt8Array

LARGEST_SIDE = 512
"""Crops are enlarged to the recording's resolution, but not beyond this."""


@dataclass(frozen=True, eq=False)
class FrameInPlace:
    """A frame of the recording, and where its crop and face are.

    Attributes:
        image: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        crop: the model's crop.
        similarity: ``[2, 3]``, canonical face → pixels of that crop.
    """

    image: UInt8Array
    mask: UInt8Array
    crop: CropTransform
    similarity: FloatArray


class Lenders:
    """The clear frames of a recording that lend detail: the latest, and the one that hides least.

    A clear face can have an arm beside it already.  What that hides, an earlier frame shows.
    """

    def __init__(self) -> None:
        self._latest: FrameInPlace | None = None
        self._clearest: FrameInPlace | None = None
        self._least_hidden = np.inf

    def add(self, frame: FrameInPlace) -> None:
        """Take in a clear frame, the latest so far."""
        self._latest = frame
        hidden = float(frame.crop.apply_mask(frame.mask).mean())
        if hidden <= self._least_hidden:
            self._clearest, self._least_hidden = frame, hidden

    def frames(self) -> tuple[FrameInPlace, ...]:
        """Return them, the latest first; none before the first clear frame."""
        distinct = dict.fromkeys((self._latest, self._clearest))
        return tuple(frame for frame in distinct if frame is not None)


def add_past_detail(
    restored: UInt8Array, current: FrameInPlace, lenders: Sequence[FrameInPlace]
) -> tuple[UInt8Array, CropTransform]:
    """Enlarge a restored crop to the recording's resolution, with the detail of past frames.

    Args:
        restored: ``[p, p, 3]`` uint8, the model's picture.
        current: the frame it belongs to.
        lenders: clear frames that lend detail, each what those before it do not show.

    Returns:
        ``[s, s, 3]`` uint8 and its place in the frame; what came in, where nobody lends or the
        recording is no finer than the model.
    """
    side = min(round(current.crop.size / zoom_of(current.crop.matrix)), LARGEST_SIDE)
    if not lenders or side <= current.crop.size:
        return restored, current.crop
    enlarged = _enlarged(current, side)
    carried, known = _carry(lenders[0], enlarged)
    for lender in lenders[1:]:
        if known[enlarged.mask != 0].all():
            break
        more, shown = _carry(lender, enlarged)
        carried, known = np.where(known[..., None], carried, more), known | shown
    coarse = cv2.resize(restored, (side, side), interpolation=cv2.INTER_CUBIC)
    # Where the past shows nothing it has no detail either.
    carried = np.where(known[..., None], carried, coarse)
    reduced = cv2.resize(carried, restored.shape[:2], interpolation=cv2.INTER_AREA)
    kept = cv2.resize(reduced, (side, side), interpolation=cv2.INTER_CUBIC)
    detailed = coarse.astype(np.int16) + carried - kept
    return np.clip(detailed, 0, 255).astype(np.uint8), enlarged.crop


def _enlarged(frame: FrameInPlace, side: int) -> FrameInPlace:
    """Return what the crop shows of a frame on ``side × side`` pixels, as a frame of its own.

    Its ``crop`` stays the way from the recording's pixels to these.
    """
    enlarge = scaling(side / frame.crop.size)
    crop = CropTransform(compose(enlarge, frame.crop.matrix), side, frame.crop.frame_size)
    return FrameInPlace(
        image=crop.apply(frame.image),
        mask=crop.apply_mask(frame.mask),
        crop=crop,
        similarity=compose(enlarge, frame.similarity),
    )


def _carry(past: FrameInPlace, current: FrameInPlace) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Return the past frame as the current one, enlarged, would show it, and where it does."""
    past = _enlarged(past, current.crop.size)
    motions = Motions(
        head=compose(current.similarity, invert(past.similarity)),
        surroundings=compose(current.crop.matrix, invert(past.crop.matrix)),
        face=current.similarity,
    )
    return propagate_in_layers(past.image, past.mask, current.image, current.mask, motions)
