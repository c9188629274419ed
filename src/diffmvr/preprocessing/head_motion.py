"""Where a face is that is hidden in part: by landmarks, held to what is visible of it (ours).

A landmarker answers with a whole face, whatever it sees of one: a hand over the mouth, or the grey
that is painted over it, draws even the visible landmarks along.  Each answer looks like a face, and
the answers of frames in a row agree, so that no rule about them alone tells.  The picture does:
what is visible of the skin shows how the head has moved since the face was clear.  Landmarks that
contradict it give way to those of the clear frame, moved so.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import compose, move_points
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.landmarks import EYE_INDICES, RIGID_INDICES
from diffmvr.preprocessing.similarity_registration import SimilarityRegistration
from diffmvr.structures import FloatArray, UInt8Array

CLEAR_SHARE = 0.02
"""Landmarks are believed if no more of the face than this share is hidden."""

HEAD = 1.1
"""The head that is followed: the landmarks' outline, widened so far from its middle."""

BESIDE = 3
"""What lies so near to something hidden, in pixels of the region, is not compared."""

FOUND, RENEWED = 0.8, 0.95
"""Correlation of grey levels from which the head counts as found, and below which, on a head that
turns, it is compared with the frame before and no longer with the last clear one."""

CONTRADICTION = 0.04
"""Landmarks that are so far (in distances between the eyes, over the share of the face that is
hidden: the more, the farther they are drawn along) from where the head has moved count e⁻¹.  The
smooth weight keeps the track from jumping between the two."""


class _Known(NamedTuple):
    """A frame in which it is known where the face is.

    Attributes:
        image: ``[s, s, 3]`` uint8, the region.
        hidden: ``[s, s]`` 0/1.
        region: its place in the frame.
        points: ``[478, 2]``, landmarks in pixels of the frame.
    """

    image: UInt8Array
    hidden: UInt8Array
    region: CropTransform
    points: FloatArray


@dataclass(frozen=True, eq=False)
class _Anchor:
    """What others are compared with, and where its head was last found.

    Attributes:
        known: the frame.
        template: what is visible of its head.
        motion: ``[2, 3]``, how the head has moved since, in pixels of the frame.
        correlation: of grey levels with where it was last found.
    """

    known: _Known
    template: SimilarityRegistration
    motion: FloatArray
    correlation: float

    @classmethod
    def of(cls, known: _Known) -> "_Anchor":
        """Return a frame to compare others with."""
        head = _head(known.region.to_crop(known.points), known.hidden.shape)
        template = SimilarityRegistration(known.image, head & _visible(known.hidden))
        return cls(known, template, np.eye(2, 3), 1.0)

    def compared(
        self, image: UInt8Array, visible: NDArray[np.bool_], region: CropTransform
    ) -> "_Anchor | None":
        """Return it with where the head is in another frame; ``None`` if too little is seen."""
        start = compose(region.matrix, compose(self.motion, self.known.region.inverse))
        match = self.template.match(image, visible, start)
        if match is None:
            return None
        way = compose(match.matrix, self.known.region.matrix)
        return replace(self, motion=compose(region.inverse, way), correlation=match.correlation)


class HeadFollower:
    """Says where the landmarks of a face are, frame after frame of a scene."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        # What frames are compared with; None: the newest, once one is hidden.
        self._anchor: _Anchor | None = None
        # The newest frame in which the face was found.
        self._newest: _Known | None = None

    def follow(
        self,
        image: UInt8Array,
        hidden: UInt8Array,
        region: CropTransform,
        points: FloatArray | None,
    ) -> FloatArray | None:
        """Return the landmarks of the next frame.

        Args:
            image: ``[s, s, 3]`` uint8, the region around the face; what is hidden is not looked at.
            hidden: ``[s, s]`` 0/1, 1 = hidden.
            region: the region's place in the frame.
            points: ``[478, 2]``, what the landmarker says, in pixels of the frame, or ``None``.

        Returns:
            ``[478, 2]`` in pixels of the frame: ``points`` as they are where little is hidden, or
            where the head was not found again by its picture.
        """
        if not hidden.any() and points is None:
            return None
        if points is not None and _hidden_share(points, hidden, region) <= CLEAR_SHARE:
            self._anchor, self._newest = None, _Known(image, hidden, region, points)
            return points
        moved = self._found(image, hidden, region)
        if moved is None:
            return points
        share = _hidden_share(moved, hidden, region)
        result = moved if points is None else _reconciled(points, moved, share)
        self._newest = _Known(image, hidden, region, moved)
        return result

    def _found(
        self, image: UInt8Array, hidden: UInt8Array, region: CropTransform
    ) -> FloatArray | None:
        """Return the landmarks moved as the picture says; ``None`` if the head is not found."""
        if self._newest is None:
            return None
        now = image, _visible(hidden), region
        before = self._anchor or _Anchor.of(self._newest)
        best = before.compared(*now)
        if (best is None or best.correlation < RENEWED) and before.known is not self._newest:
            again = _Anchor.of(self._newest).compared(*now)
            if best is None or (again is not None and again.correlation > best.correlation):
                best = again
        if best is None or best.correlation < FOUND:
            return None
        self._anchor = best
        return move_points(best.motion, best.known.points)


def _reconciled(points: FloatArray, moved: FloatArray, share: float) -> FloatArray:
    """Return landmarks between what the landmarker says and what the picture says.

    Args:
        points: what the landmarker says.
        moved: what the picture says.
        share: of the face that is hidden.
    """
    rigid = list(RIGID_INDICES)
    eyes = [moved[list(corners)].mean(axis=0) for corners in EYE_INDICES]
    away = np.linalg.norm(points[rigid] - moved[rigid], axis=1).mean()
    slack = CONTRADICTION / max(share, CLEAR_SHARE) * np.linalg.norm(eyes[1] - eyes[0])
    weight = np.exp(-((away / slack) ** 2))
    return np.asarray(weight * points + (1 - weight) * moved, points.dtype)


def _hidden_share(points: FloatArray, hidden: UInt8Array, region: CropTransform) -> float:
    """Return how much of a face is hidden; 1 for one outside the region."""
    if not hidden.any():
        return 0.0
    head = _head(region.to_crop(points), hidden.shape)
    return float(hidden[head].mean()) if head.any() else 1.0


def _head(points: FloatArray, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return ``[s, s]``, the pixels within the outline of landmarks, widened."""
    outline = cv2.convexHull(points.astype(np.float32))
    middle = outline.mean(axis=0)
    filled = np.zeros(size, np.uint8)
    wide = np.rint(middle + HEAD * (outline - middle)).astype(np.int32)
    cv2.fillConvexPoly(filled, wide, (1,))
    return filled != 0


def _visible(hidden: UInt8Array) -> NDArray[np.bool_]:
    """Return ``[s, s]``, what is visible, and not just beside what is hidden."""
    side = 2 * BESIDE + 1
    return np.asarray(cv2.dilate(hidden, np.ones((side, side), np.uint8)) == 0)
