"""The frames just before a face is first seen: it may have been hidden in them."""

from dataclasses import dataclass

import cv2
import numpy as np

from diffmvr.geometry import compose, scaling
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.structures import UInt8Array

LEAD_FRAMES = 24
LEAD_SIZE = 480
"""So many frames before a face is first seen are kept, at this longer side."""


@dataclass(frozen=True, eq=False)
class LeadFrame:
    """A frame before the face was seen, made smaller.

    Attributes:
        index: number of the frame in the recording.
        time: seconds.
        image: ``[h, w, 3]`` uint8, the frame at ``LEAD_SIZE``.
        mask: ``[h, w]`` 0/1, or ``None`` if none is given.
        frame_size: (height, width) of the frame itself.
    """

    index: int
    time: float
    image: UInt8Array
    mask: UInt8Array | None
    frame_size: tuple[int, int]

    @classmethod
    def reduced(cls, frame: Frame, mask: UInt8Array | None, time: float) -> "LeadFrame":
        """Make a frame and its mask smaller."""
        height, width = frame.image.shape[:2]
        zoom = min(1.0, LEAD_SIZE / max(height, width))
        size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
        image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        if mask is not None:
            mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        return cls(frame.index, time, image, mask, (height, width))

    def crop_of(self, region: CropTransform) -> CropTransform:
        """Return the crop that shows of this picture what ``region`` shows of the frame."""
        height, width = self.image.shape[:2]
        to_frame = scaling(self.frame_size[1] / width, self.frame_size[0] / height)
        return CropTransform(compose(region.matrix, to_frame), region.size, (height, width))
