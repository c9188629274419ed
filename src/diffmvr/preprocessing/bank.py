"""A bank of references: clear frames of a face that differ, kept as a recording goes (ours).

One past frame is a poor witness of an expression that has changed since.  A few that differ in pose
and expression say more (decisions 21; see ``composition.py`` for what is made of them).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_shape
from diffmvr.geometry import compose, invert, zoom_of
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.layers import Motions
from diffmvr.preprocessing.picture import Picture
from diffmvr.preprocessing.symmetry import warp_visible
from diffmvr.structures import FloatArray

DESCRIPTOR_SIZE = 40
"""Side of the picture by which references are compared, in pixels."""

DESCRIPTOR_FIELD = 3.2
"""Its side in canonical face coordinates (unit: the distance between the eyes)."""

DESCRIPTOR_MIDDLE = (0.0, 0.35)
"""Its middle in the same: between eyes and mouth."""

CONTRAST_FLOOR = 5.0
"""Grey levels; a face with less contrast than this is not stretched to full contrast."""

BLURRED = 0.7
"""Of two references that are alike, the later one is kept unless it is less sharp than this share
of the earlier one's sharpness."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A frame of a face, and where the face and what stands still are in it.

    Attributes:
        index: number of the frame in the recording; −1, −2, … for pictures that are not of it.
        picture: the frame, or a part of it.
        face: ``[2, 3]``, canonical face → pixels of the picture.
        still: ``[2, 3]``, pixels of the recording → pixels of the picture; ``None`` for a picture
            that is not of the recording, where nothing but the head can be found again.
    """

    index: int
    picture: Picture
    face: FloatArray
    still: FloatArray | None

    def __post_init__(self) -> None:
        check_shape("face", self.face, (2, 3))
        if self.still is not None:
            check_shape("still", self.still, (2, 3))

    @property
    def is_of_recording(self) -> bool:
        """Whether it is a frame of the recording, and not another picture of the person."""
        return self.index >= 0

    def motions_to(self, current: "Reference") -> Motions:
        """Return how another frame came from this one."""
        head = compose(current.face, invert(self.face))
        surroundings = head
        if self.still is not None and current.still is not None:
            surroundings = compose(current.still, invert(self.still))
        return Motions(head=head, surroundings=surroundings, face=current.face)

    def in_square(self, matrix: FloatArray, size: int) -> "Reference":
        """Return the reference in other pixels; what the picture does not show is hidden there.

        Args:
            matrix: ``[2, 3]``, pixels of the picture → pixels of a square.
            size: side of that square.
        """
        way = CropTransform(matrix, size, self.picture.mask.shape)
        _, inside = warp_visible(self.picture.image, self.picture.mask, matrix, (size, size))
        mask = way.apply_mask(self.picture.mask) | ~inside
        picture = Picture(way.apply(self.picture.image), mask.astype(np.uint8))
        still = None if self.still is None else compose(matrix, self.still)
        return Reference(self.index, picture, compose(matrix, self.face), still)

    @cached_property
    def descriptor(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``[s, s]`` grey levels of the face in its own coordinates, normalised; and where known.

        Mean 0 and deviation 1 over what is known, so that light does not count.
        """
        image, mask = self.picture.small
        scale = DESCRIPTOR_SIZE / DESCRIPTOR_FIELD
        middle = (DESCRIPTOR_SIZE - 1) / 2 - scale * np.array(DESCRIPTOR_MIDDLE)
        view = np.column_stack([scale * np.eye(2), middle])
        matrix = compose(view, invert(compose(self.picture.reduction, self.face)))
        # As much blur as the reduction needs, over what is visible alone.
        sigma = max(0.5 / zoom_of(matrix), 0.1)
        visible = (mask == 0).astype(np.float32)
        parts = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * visible, visible)
        total, share = (cv2.GaussianBlur(part, (0, 0), sigma) for part in parts)
        blurred = np.rint(total / np.maximum(share, 1e-6)).clip(0, 255).astype(np.uint8)
        size = DESCRIPTOR_SIZE, DESCRIPTOR_SIZE
        shown, known = warp_visible(blurred[..., None].repeat(3, axis=2), mask, matrix, size)
        grey = shown[..., 0].astype(np.float32)
        if not known.any():
            return np.zeros_like(grey), known
        grey = (grey - grey[known].mean()) / (grey[known].std() + CONTRAST_FLOOR)
        return np.where(known, grey, 0).astype(np.float32), known

    @cached_property
    def sharpness(self) -> float:
        """Variance of the Laplacian of the descriptor, where it is known."""
        grey, known = self.descriptor
        return float(cv2.Laplacian(grey, cv2.CV_32F)[known].var()) if known.any() else 0.0


def others_leading(references: Iterable[Reference], index: int) -> list[Reference]:
    """Return those that lead a frame but are no earlier frame, the least telling first.

    Args:
        references: frames of the same face, in any order, and pictures that are not of the
            recording.
        index: number of the frame that is led.

    Returns:
        The pictures, and the later frames from the farthest to the nearest.
    """
    leading = [one for one in references if not 0 <= one.index <= index]
    return sorted(leading, key=lambda one: (one.is_of_recording, -one.index))


@dataclass(frozen=True)
class ReferenceBank:
    """At most ``size`` references that differ, the newest always among them.

    Where there is one too many, of the two that are most alike the earlier one goes, or the later
    one if it is blurred: a greedy k-centre, which needs no frame again.  The bank does not change;
    what it was is what the next frame needs, wherever a window of frames ends.

    Attributes:
        size: K, how many are kept.
        references: they, in the order in which they came.
    """

    size: int = 16
    references: tuple[Reference, ...] = field(default=())

    def __post_init__(self) -> None:
        check_number("size", self.size, 1, 1000)

    def __len__(self) -> int:
        return len(self.references)

    def add(self, reference: Reference) -> "ReferenceBank":
        """Return the bank after one more reference, the newest."""
        return ReferenceBank(self.size, _differing((*self.references, reference), self.size))

    def after(self, others: Sequence[Reference]) -> "ReferenceBank":
        """Return the bank as if others, which stay as many as fit, had come before all of it."""
        if not others:
            return self
        return ReferenceBank(self.size, _differing((*others, *self.references), self.size))


def _differing(references: Sequence[Reference], size: int) -> tuple[Reference, ...]:
    """Return at most ``size`` of the references, in their order; the last is among them."""
    kept = list(references)
    if len(kept) <= size:
        return tuple(kept)
    if size == 1:
        return (kept[-1],)
    distances = distances_of(kept)
    while len(kept) > size:
        later, earlier = np.unravel_index(int(distances.argmin()), distances.shape)
        blurred = kept[later].sharpness < BLURRED * kept[earlier].sharpness
        gone = int(later if blurred and later != len(kept) - 1 else earlier)
        kept.pop(gone)
        distances = np.delete(np.delete(distances, gone, axis=0), gone, axis=1)
    return tuple(kept)


def distances_of(references: Sequence[Reference]) -> FloatArray:
    """Return ``[N, N]``, the distance of each from those before it; infinite elsewhere.

    It is the mean squared difference of two descriptors where both are known, and 0 where none is.
    """
    grey = np.stack([one.descriptor[0].ravel() for one in references]).astype(np.float64)
    known = np.stack([one.descriptor[1].ravel() for one in references]).astype(np.float64)
    # Grey is 0 where unknown: Σ (a − b)² over what both know is Σ a²·k_b + Σ b²·k_a − 2 Σ ab.
    own = grey**2 @ known.T
    mean = (own + own.T - 2 * grey @ grey.T) / np.maximum(known @ known.T, 1)
    # Equal references are at no distance, whatever the sums' rounding.
    earlier = np.tri(len(references), k=-1, dtype=bool)
    return np.where(earlier, np.round(mean, 6) + 0.0, np.inf)
