"""Clear frames of a recording, carried to a later one at the recording's own resolution."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, move_points, scaling, zoom_of
from diffmvr.preprocessing.bank import Reference, ReferenceBank, others_leading
from diffmvr.preprocessing.composition import Composite, compose_references
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.layers import Window
from diffmvr.preprocessing.layers import carry as carry_picture
from diffmvr.preprocessing.picture import FINDING_SIZE, Picture, reduce_frame
from diffmvr.preprocessing.visible import GREY
from diffmvr.restoration.paste_back import SEAM, fade
from diffmvr.structures import FloatArray, PastSelection, UInt8Array

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
        index: number of the frame in the recording.
        time: seconds.
    """

    image: UInt8Array
    mask: UInt8Array
    crop: CropTransform
    similarity: FloatArray
    index: int = 0
    time: float = 0.0

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

    def square_around(self, region: CropTransform) -> CropTransform:
        """Return a square around a region whose pixels are those of ``picture``.

        They are the recording's own, which are copied then and not resampled, but for large faces.
        """
        edges = np.array([[-0.5, -0.5], [region.size - 0.5, region.size - 0.5]])
        box = move_points(self.reduction, region.to_frame(edges)) + 0.5
        # The tolerance keeps an edge that lies between two pixels but for rounding.
        corner = np.floor(box[0] + 1e-6)
        side = int((np.ceil(box[1] - 1e-6) - corner).max())
        shift = np.column_stack([np.eye(2), -corner])
        return CropTransform(compose(shift, self.reduction), side, region.frame_size)

    @property
    def whole(self) -> Reference:
        """The whole frame as a bank takes frames."""
        return Reference(self.index, self.picture, self.face(self.reduction), self.reduction)

    def reference(self, square: CropTransform | None = None) -> Reference:
        """Return a square of the frame, by default around the model's crop, as a bank takes it."""
        square = square or self.square_around(self.crop)
        # What stands still in the recording is at the same place of every frame.
        still = square.matrix
        return Reference(self.index, self.in_square(square), self.face(square.matrix), still)

    def face(self, matrix: FloatArray) -> FloatArray:
        """Return ``[2, 3]``, canonical face → where ``matrix`` takes the frame's pixels."""
        return compose(matrix, compose(self.crop.inverse, self.similarity))

    def _finding_zoom(self) -> float:
        """Reduce every frame alike, as far as the model's square says."""
        side = self.crop.size * zoom_of(self.reduction) / zoom_of(self.crop.matrix)
        return FINDING_SIZE / side


class Lent(NamedTuple):
    """What clear frames lend to one frame.

    Attributes:
        frames: clear frames, each for what those before it do not show.
        references: what a mixture is made of where they show the face; none: no mixture.
        most: how many references are carried at most.
        mirrored: whether what has changed in the visible half of the face is lent, too.
    """

    frames: tuple[FrameInPlace, ...]
    references: tuple[Reference, ...] = ()
    most: int = PastSelection.carried
    mirrored: bool = False


class Carried(NamedTuple):
    """What is lent to one frame, as it would show it.

    Attributes:
        image: ``[s, s, 3]`` uint8, grey (128) where unknown.
        known: ``[s, s]`` bool.
        composite: the mixture of references in it; ``None`` for no mixture.
    """

    image: UInt8Array
    known: NDArray[np.bool_]
    composite: Composite | None = None


class Lenders:
    """The clear frames of a recording that lend detail: the latest, and the one that hides least.

    A clear face can have an arm beside it already.  What that hides, an earlier frame shows.  With
    a bank, references lend what is in the model's square.

    Args:
        past: which clear frames make the past guide.
    """

    def __init__(self, past: PastSelection | None = None) -> None:
        self._past = past or PastSelection()
        self._bank = ReferenceBank(self._past.size)
        self._latest: FrameInPlace | None = None
        self._clearest: FrameInPlace | None = None
        self._doubtful: FrameInPlace | None = None
        self._least_hidden = np.inf

    def add(self, frame: FrameInPlace, doubtful: UInt8Array | None = None) -> None:
        """Take in a clear frame, the latest so far.

        Args:
            frame: it.
            doubtful: ``[H, W]`` 0/1, where it lends only what no other frame shows.
        """
        self._latest = self._doubtful = frame
        if doubtful is not None:
            self._latest = replace(frame, mask=np.maximum(frame.mask, doubtful))
        hidden = float(self._latest.mask.mean())
        if hidden <= self._least_hidden:
            self._clearest, self._least_hidden = self._latest, hidden
        if self._past.mixes:
            self._bank = self._bank.add(frame.reference())

    @property
    def latest(self) -> int | None:
        """Number of the latest clear frame; ``None`` before the first."""
        return None if self._latest is None else self._latest.index

    def lend(self, index: int = 0, others: Iterable[Reference] = ()) -> Lent:
        """Return what they lend to a frame, the latest first; nothing before the first clear one.

        Args:
            index: number of the frame.
            others: later frames of the same face, and pictures that are not of the recording.
        """
        distinct = dict.fromkeys((self._latest, self._clearest, self._doubtful))
        frames = tuple(frame for frame in distinct if frame is not None)
        bank = self._bank.after(others_leading(others, index))
        most, mirrored = self._past.most_carried, self._past.mirrored
        return Lent(frames, bank.references, most, mirrored)


def carry(lent: Lent, here: Reference, current: FrameInPlace) -> Carried:
    """Show clear frames where the current frame is hidden, as it would show them.

    Args:
        lent: the clear frames.
        here: a square of the current frame, whose hidden pixels are not looked at.
        current: that frame.

    Returns:
        What they show; nothing is known outside the hole.
    """
    hidden = here.picture.mask != 0
    carried = np.full_like(here.picture.image, GREY)
    known = np.zeros_like(hidden)
    if not hidden.any():
        return Carried(carried, known)
    share = np.zeros(hidden.shape, np.float32)
    mixture, composite = carried, None
    if lent.references:
        # The model's guide shows the mixture around the hole, too; see ``past_guide``.
        fine = min(here.picture.small[1].shape) >= current.crop.size
        window = _window(hidden if fine else np.ones_like(hidden))
        composite = compose_references(lent.references, here, window, lent.most, lent.mirrored)
        mixture = carried.copy()
        mixture[window] = composite.image
        share[window] = fade(composite.known, SEAM * current.crop.size / _zoom(current))
    missing = hidden & (share < 1)
    for past in lent.frames:
        if not missing.any():
            break
        motions = past.whole.motions_to(here)
        window = _window(missing)
        # What a bank's references are registered to is at hand then.
        spline = len(lent.references) > 1
        image, shown = carry_picture(
            past.picture, here.picture, motions, window, spline, lent.mirrored
        )
        new = shown & missing[window]
        carried[window][new] = image[new]
        known[window] |= new
        missing[window] &= ~new
    if lent.references:
        # The mixture fades out towards where its references end.
        inside = _window(hidden)
        blend = np.where(known[inside], share[inside], share[inside] > 0)[..., None]
        blend = blend.astype(np.float32)
        faded = blend * mixture[inside] + (1 - blend) * carried[inside]
        known |= hidden & (share > 0)
        carried = np.full_like(carried, GREY)
        carried[inside] = np.where(known[inside][..., None], np.rint(faded), GREY)
    return Carried(carried, known, composite)


def _zoom(frame: FrameInPlace) -> float:
    """Return how many pixels of the model's crop there are to one of ``picture``."""
    return zoom_of(frame.crop.matrix) / zoom_of(frame.reduction)


def _window(wanted: NDArray[np.bool_]) -> Window:
    """Return the rows and columns in which there is something."""
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
