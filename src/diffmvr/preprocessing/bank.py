"""A bank of references: clear frames of a face that differ, kept as a recording goes (ours).

One past frame is a poor witness of an expression that has changed since.  A few that differ in pose
and expression say more (decisions 21; see ``composition.py`` for what is made of them).
"""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_shape
from diffmvr.geometry import compose, invert, zoom_of
from diffmvr.preprocessing.layers import Motions, Picture
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
        index: number of the frame in the recording.
        picture: the frame, or a part of it.
        face: ``[2, 3]``, canonical face → pixels of the picture.
        still: ``[2, 3]``, pixels of the recording → pixels of the picture.
    """

    index: int
    picture: Picture
    face: FloatArray
    still: FloatArray

    def __post_init__(self) -> None:
        check_shape("face", self.face, (2, 3))
        check_shape("still", self.still, (2, 3))

    def motions_to(self, current: "Reference") -> Motions:
        """Return how another frame came from this one."""
        return Motions(
            head=compose(current.face, invert(self.face)),
            surroundings=compose(current.still, invert(self.still)),
            face=current.face,
        )

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


def distance(one: Reference, other: Reference) -> float:
    """Return the mean squared difference of two descriptors where both are known; 0 if nowhere."""
    (a, a_known), (b, b_known) = one.descriptor, other.descriptor
    common = a_known & b_known
    return float(((a - b)[common] ** 2).mean()) if common.any() else 0.0


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
        kept = [*self.references, reference]
        if len(kept) > self.size:
            kept.pop(_least_telling(kept) if self.size > 1 else 0)
        return ReferenceBank(self.size, tuple(kept))


def _least_telling(references: list[Reference]) -> int:
    """Return the place of the reference to let go."""
    last = len(references) - 1
    pairs = [(a, b) for b in range(last + 1) for a in range(b)]
    earlier, later = min(pairs, key=lambda pair: distance(references[pair[0]], references[pair[1]]))
    blurred = references[later].sharpness < BLURRED * references[earlier].sharpness
    return later if blurred and later != last else earlier
