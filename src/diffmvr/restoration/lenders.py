"""Clear frames of a recording, carried to a later one at the recording's own resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, invert, scaling, zoom_of
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.layers import FINDING_SIZE, Motions, Picture, Window, reduce_frame
from diffmvr.preprocessing.layers import carry as carry_picture
from diffmvr.preprocessing.symmetry import GREY
from diffmvr.structures import FloatArray, UInt8Array

LARGEST_SIDE = 512
"""A frame in which the model's square has more pixels along a side is reduced to so many."""


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

    @cached_property
    def reduction(self) -> FloatArray:
        """``[2, 3]``, pixels of the frame → pixels of ``picture``; the same but for large faces."""
        zoom = min(1.0, LARGEST_SIDE * zoom_of(self.crop.matrix) / self.crop.size)
        height, width = self.mask.shape
        return scaling(round(zoom * width) / width, round(zoom * height) / height)

    @cached_property
    def picture(self) -> Picture:
        """The whole frame, made ready once to be carried to many others."""
        size = np.rint(np.diag(self.reduction) * self.mask.shape[::-1]).astype(int).tolist()
        if size == list(self.mask.shape[::-1]):
            return Picture(self.image, self.mask, self._finding_zoom())
        return Picture(*reduce_frame(self.image, self.mask, size), self._finding_zoom())

    def in_square(self, square: CropTransform) -> Picture:
        """Return a square of the frame, in the pixels of ``picture``, to carry others to."""
        image, mask = square.apply(self.image), square.apply_mask(self.mask)
        return Picture(image, mask, self._finding_zoom())

    def face(self, matrix: FloatArray) -> FloatArray:
        """Return ``[2, 3]``, canonical face → where ``matrix`` takes the frame's pixels."""
        return compose(matrix, compose(self.crop.inverse, self.similarity))

    def _finding_zoom(self) -> float:
        """Reduce every frame alike, as far as the model's square says."""
        side = self.crop.size * zoom_of(self.reduction) / zoom_of(self.crop.matrix)
        return FINDING_SIZE / side


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
    lenders: Sequence[FrameInPlace], current: FrameInPlace, square: CropTransform
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Show clear frames where the current frame is hidden, as it would show them.

    Args:
        lenders: clear frames; each shows what those before it do not.
        current: the frame, whose hidden pixels are not looked at.
        square: a square of that frame, in the pixels of its ``picture``.

    Returns:
        ``[s, s, 3]`` uint8, grey (128) where unknown, and ``[s, s]`` bool, True where known;
        nothing is known outside the hole.
    """
    picture = current.in_square(square)
    carried = np.full_like(picture.image, GREY)
    missing = picture.mask != 0
    known = np.zeros_like(missing)
    face = current.face(square.matrix)
    for past in lenders:
        if not missing.any():
            break
        motions = Motions(
            head=compose(face, invert(past.face(past.reduction))),
            # What stands still in the recording is at the same place of every frame.
            surroundings=compose(square.matrix, invert(past.reduction)),
            face=face,
        )
        window = _window(missing)
        image, shown = carry_picture(past.picture, picture, motions, window)
        new = shown & missing[window]
        carried[window][new] = image[new]
        known[window] |= new
        missing[window] &= ~new
    return carried, known


def _window(wanted: NDArray[np.bool_]) -> Window:
    """Return the rows and columns in which there is something."""
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
