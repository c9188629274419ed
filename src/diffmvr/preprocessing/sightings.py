"""What a first pass over a recording keeps of its frames, scene by scene.

A *region* is a square of the frame around the face, ``REGION_SCALE`` faces wide, shown to the
detectors of occluders and landmarks at ``REGION_SIZE`` pixels.
"""

from dataclasses import dataclass

import numpy as np

from diffmvr.preprocessing.crop import CropTransform
from diffmvr.structures import FloatArray, UInt8Array

REGION_SIZE = 320
REGION_SCALE = 1.8

NO_FACE = "no face"
DAMAGED = "damaged"


@dataclass(frozen=True, eq=False)
class Sighting:
    """One frame that shows the face, or what hides it.

    Attributes:
        index: number of the frame in the recording.
        time: seconds.
        region: the square around the face.
        points: ``[478, 2]`` float32 landmarks in pixels of the frame, or ``None``; of a face
            that is hidden in part they are held to how the head has moved (``head_motion.py``).
        box: ``[4]``, the face in pixels of the frame, as last seen.
        box_source: name of what found the box in this frame, or ``"carried"``.
        covered: share of the box that is hidden.
        packed_mask: the mask of the region, bit by bit; ``None`` if nothing is hidden.
        moved: whether no landmarks were found, and ``points`` are those of a frame before, moved
            with the head.
    """

    index: int
    time: float
    region: CropTransform
    points: FloatArray | None
    box: FloatArray
    box_source: str
    covered: float
    packed_mask: UInt8Array | None
    moved: bool = False

    @property
    def mask(self) -> UInt8Array:
        """``[REGION_SIZE, REGION_SIZE]`` 0/1, what hides the region."""
        return unpack_mask(self.packed_mask)


@dataclass(frozen=True)
class Skipped:
    """One frame that is left out.

    Attributes:
        index: number of the frame in the recording.
        time: seconds; ``None`` if the frame could not be read.
        reason: why.
    """

    index: int
    time: float | None
    reason: str


@dataclass(frozen=True)
class Scene:
    """Consecutive frames of one face, and the frames around them that were left out.

    Attributes:
        sightings: the frames of the face, in order.
        skipped: the others.
        shot: number of the shot, from 0: it grows at every cut, and after damaged frames.
    """

    sightings: list[Sighting]
    skipped: list[Skipped]
    shot: int = 0


def pack_mask(mask: UInt8Array) -> UInt8Array | None:
    """Return a mask 0/1, such as a region's, bit by bit; ``None`` if it is empty."""
    return np.packbits(mask) if mask.any() else None


def unpack_mask(
    packed: UInt8Array | None, shape: tuple[int, int] = (REGION_SIZE, REGION_SIZE)
) -> UInt8Array:
    """Return the mask, of that shape, that :func:`pack_mask` was given."""
    if packed is None:
        return np.zeros(shape, np.uint8)
    return np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape)
