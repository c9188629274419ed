"""Clear frames of a recording, carried to a later one at the recording's own resolution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.layers import Motions, propagate_in_layers
from diffmvr.preprocessing.symmetry import GREY
from diffmvr.structures import FloatArray, UInt8Array


@dataclass(frozen=True, eq=False)
class FrameInPlace:
    """A frame of the recording, and where its face is.

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

    def in_crop(self, crop: CropTransform) -> "FrameInPlace":
        """Return the same frame with another crop of it."""
        way = compose(crop.matrix, self.crop.inverse)
        return FrameInPlace(self.image, self.mask, crop, compose(way, self.similarity))


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
        hidden = float(frame.mask.mean())
        if hidden <= self._least_hidden:
            self._clearest, self._least_hidden = frame, hidden

    def frames(self) -> tuple[FrameInPlace, ...]:
        """Return them, the latest first; none before the first clear frame."""
        distinct = dict.fromkeys((self._latest, self._clearest))
        return tuple(frame for frame in distinct if frame is not None)


def carry(
    lenders: Sequence[FrameInPlace], current: FrameInPlace
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Show clear frames as the current frame would show them, in its crop.

    Args:
        lenders: clear frames, each with the crop that corresponds to the current one's; each
            shows what those before it do not.
        current: the frame, whose hidden pixels are not looked at.

    Returns:
        ``[s, s, 3]`` uint8, grey (128) where unknown, and ``[s, s]`` bool, True where known.
    """
    image, mask = current.crop.apply(current.image), current.crop.apply_mask(current.mask)
    carried = np.full_like(image, GREY)
    known = np.zeros(mask.shape, bool)
    for past in lenders:
        if known[mask != 0].all():
            break
        motions = Motions(
            head=compose(current.similarity, invert(past.similarity)),
            surroundings=compose(current.crop.matrix, past.crop.inverse),
            face=current.similarity,
        )
        shown = past.crop.apply(past.image), past.crop.apply_mask(past.mask)
        more, new = propagate_in_layers(*shown, image, mask, motions)
        carried, known = np.where(known[..., None], carried, more), known | new
    return carried, known
