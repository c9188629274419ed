"""How far each hypothesis of ``layers.py`` is to be believed, by what it shows where (ours).

On the head the head is to be seen, and beside it something else: the cloth below a past chin does
not belong on the neck, nor a past cheek on the wall.  What the past head hid is known to none.

h × w are the pixels of the current frame's reduced picture, h' × w' those of the past frame's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.alignment import FlowArray, enlarge_field, sample
from diffmvr.preprocessing.head_region import head_region, moved_head
from diffmvr.preprocessing.visible import Shown
from diffmvr.structures import FloatArray, UInt8Array

PRIOR = 0.9
"""Weight of the head's motion on the head, and of the others off it; the rest is 1 − PRIOR."""

KNOWN = 0.4
"""How surely a pixel must lie on the head, or be seen behind it, to be shown at all.  The wall that
the head hid before is not known: taken for it, a second face would stand beside the head."""

CLEAN = 0.015
"""So near to the past head (in shares of the frame's shorter side) its colours are mixed with those
of what is behind it."""

THICK = 0.025
"""Width (standard deviation, in the same shares) of the neighbourhood in which it is asked what is
known: a line between the head and what is behind it is filled with either."""

UNSEEN_ERROR = 300.0
"""Where nothing visible is near, every hypothesis is given this squared difference."""

LARGE = 128
"""Of pictures with this shorter side or more, every second row and column is looked at."""

FloatImage = NDArray[np.float32]


class Way(NamedTuple):
    """A hypothesis of where the current frame's pixels were in the past frame.

    Attributes:
        matrix: ``[2, 3]``, past pixels → current pixels.
        small: ``[2, 3]``, the same between the reduced pictures.
        residual: ``[h, w, 2]``, what the matrix leaves, in reduced pixels (see ``alignment.py``);
            ``None`` for nothing.
        shown: what it shows of the past frame, reduced.
        error: ``[h, w]``, mean squared difference from what is visible around each pixel.
    """

    matrix: FloatArray
    small: FloatArray
    residual: FlowArray | None
    shown: Shown
    error: FloatImage

    def thinned(self, step: int) -> "Way":
        """Return the same for every so many rows and columns of both pictures."""
        thin = slice(None, None, step), slice(None, None, step)
        less = np.eye(2, 3) / step
        residual = None if self.residual is None else self.residual[thin] / np.float32(step)
        image, known = self.shown
        small = compose(less, compose(self.small, invert(less)))
        return Way(self.matrix, small, residual, (image[thin], known[thin]), self.error[thin])

    def read(self, field: FloatImage, unknown: FloatImage) -> FloatImage:
        """Return ``[h, w]``, a field ``[h', w']`` as this way shows it; else what is unknown."""
        residual = self.residual
        if residual is None:
            residual = np.zeros((*self.error.shape, 2), np.float32)
        return np.where(self.shown[1], sample(field, self.small, residual), unknown)

    def error_before(self, size: tuple[int, ...]) -> FloatImage:
        """Return ``[h', w']``, the error at the past frame's pixels."""
        error: Any = cv2.warpAffine(
            self.error,
            invert(self.small),
            size[::-1],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=UNSEEN_ERROR,
        )
        return np.asarray(error, np.float32)


def beliefs(
    ways: Sequence[Way],
    face: FloatArray,
    past: tuple[UInt8Array, UInt8Array],
    moves: float,
) -> list[FloatImage]:
    """Return how far each hypothesis is to be believed at each pixel.

    Args:
        ways: with the head; with the surroundings; and as they stood.
        face: ``[2, 3]``, canonical face → pixels of the current reduced picture.
        past: the past reduced picture and its mask, 1 = hidden.
        moves: how far the head has moved, 0 to 1; at 0 it hides what it hid.

    Returns:
        Of each ``[h, w]`` float32; 0 for all where nothing is known.
    """
    size = ways[0].error.shape
    told: list[FloatImage] = []
    if moves > 0:
        told = _told_beliefs(ways, face, *past) if min(size) < LARGE else _thinly(ways, face, past)
    if moves == 1:
        return told
    head = head_region(face, size)
    beside = PRIOR * (1 - head) + (1 - PRIOR) * head
    guessed = [PRIOR * head + (1 - PRIOR) * (1 - head), *(beside for _ in ways[1:])]
    if moves == 0:
        return guessed
    pairs = zip(guessed, told, strict=True)
    return [one + np.float32(moves) * (other - one) for one, other in pairs]


def _thinly(
    ways: Sequence[Way], face: FloatArray, past: tuple[UInt8Array, UInt8Array]
) -> list[FloatImage]:
    """Return them for a head that has moved, found in every second row and column."""
    thin, more = slice(None, None, 2), 2 * np.eye(2, 3)
    told = _told_beliefs(
        [way.thinned(2) for way in ways],
        compose(invert(more), face),
        *(part[thin, thin] for part in past),
    )
    return [enlarge_field(belief, more, ways[0].error.shape) for belief in told]


def _told_beliefs(
    ways: Sequence[Way], face: FloatArray, image: UInt8Array, mask: UInt8Array
) -> list[FloatImage]:
    """Return them for a head that has moved."""
    moving, *others = ways
    head = head_region(face, moving.error.shape)
    with_head, standing = (way.error_before(mask.shape) for way in (moving, others[-1]))
    before = compose(invert(moving.small), face)
    told = moved_head(image, mask, before, with_head, standing, UNSEEN_ERROR)
    head = moving.read(told, head)
    off = 1 - head
    near = 2 * round(CLEAN * min(mask.shape)) + 1
    grown: Any = cv2.dilate(told, np.ones((near, near), np.uint8))
    shows = [way.read(grown, head) for way in others]
    behind = off * (1 - np.minimum.reduce(shows))
    sure = cv2.GaussianBlur(np.maximum(head, behind), (0, 0), THICK * min(head.shape))
    known = (sure >= KNOWN).astype(np.float32)
    priors = [PRIOR * off * (1 - one) + (1 - PRIOR) * head * one for one in shows]
    return [known * prior for prior in (PRIOR * head + (1 - PRIOR) * off, *priors)]
