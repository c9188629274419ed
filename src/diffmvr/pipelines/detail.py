"""Detail finer than the model's pixels, taken from the past clear frame (ours, not the paper's).

A model of 64 × 64 pixels cannot show the skin of a face that fills 400.  The past frame can:
carried to the current one at the recording's own resolution, it lends what the model's resolution
loses (the difference between the carried frame and its reduced self), and the model's picture stays
in charge of everything coarser.
"""

from dataclasses import dataclass

import cv2
import numpy as np

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


def add_past_detail(
    restored: UInt8Array, current: FrameInPlace, past: FrameInPlace
) -> tuple[UInt8Array, CropTransform]:
    """Enlarge a restored crop to the recording's resolution, with the past frame's detail.

    Args:
        restored: ``[p, p, 3]`` uint8, the model's picture.
        current: the frame it belongs to.
        past: the clear frame that lends detail.

    Returns:
        ``[s, s, 3]`` uint8 and its place in the frame; what came in, where the recording is no
        finer than the model.
    """
    side = min(round(current.crop.size / zoom_of(current.crop.matrix)), LARGEST_SIDE)
    if side <= current.crop.size:
        return restored, current.crop
    enlarge = scaling(side / current.crop.size)
    crops = [
        CropTransform(compose(enlarge, frame.crop.matrix), side, frame.crop.frame_size)
        for frame in (past, current)
    ]
    faces = [compose(enlarge, frame.similarity) for frame in (past, current)]
    motions = Motions(
        head=compose(faces[1], invert(faces[0])),
        surroundings=compose(crops[1].matrix, invert(crops[0].matrix)),
        face=faces[1],
    )
    carried, known = propagate_in_layers(
        crops[0].apply(past.image),
        crops[0].apply_mask(past.mask),
        crops[1].apply(current.image),
        crops[1].apply_mask(current.mask),
        motions,
    )
    coarse = cv2.resize(restored, (side, side), interpolation=cv2.INTER_CUBIC)
    # Where the past shows nothing it has no detail either.
    carried = np.where(known[..., None], carried, coarse)
    reduced = cv2.resize(carried, restored.shape[:2], interpolation=cv2.INTER_AREA)
    kept = cv2.resize(reduced, (side, side), interpolation=cv2.INTER_CUBIC)
    detailed = coarse.astype(np.int16) + carried - kept
    return np.clip(detailed, 0, 255).astype(np.uint8), crops[1]
