"""Detail finer than the model's pixels, from past clear frames (ours, not the paper's).

A model of 64 × 64 pixels cannot show the skin of a face that fills 400.  Past clear frames can:
carried to the current one at the recording's own resolution, they are the picture to which the
model adds its correction, that is what it makes of the hole minus the past guide it was led by.
What is hidden beside the model's square, such as an arm, they fill alone.
"""

from collections.abc import Sequence

import numpy as np

from diffmvr.geometry import compose, scaling, zoom_of
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.restoration.lenders import FrameInPlace, carry
from diffmvr.structures import UInt8Array

LARGEST_SIDE = 512
"""The model's square is enlarged to the recording's resolution, but not beyond this."""


def carry_detail(
    current: FrameInPlace, region: CropTransform, lenders: Sequence[FrameInPlace]
) -> tuple[UInt8Array, CropTransform]:
    """Show what past clear frames show of the current one; inpaint the hole where they do not.

    Args:
        current: the frame, with the model's crop.
        region: a square that holds that crop and the hole.
        lenders: clear frames, each for what those before it do not show; there may be none.

    Returns:
        ``[s, s, 3]`` uint8, the region without a hole, and its place in the frame.
    """
    square = _at_native_resolution(region, current.crop)
    # What stands still in the recording is in the same square of every frame.
    past = [frame.in_crop(square) for frame in lenders]
    carried, known = carry(past, current.in_crop(square))
    hidden = square.apply_mask(current.mask) != 0
    shown = np.where(known[..., None], carried, square.apply(current.image))
    return inpaint(shown, hidden & ~known), square


def _at_native_resolution(region: CropTransform, crop: CropTransform) -> CropTransform:
    """Return the region with the recording's own pixels, or coarser ones if the crop has many."""
    native, in_crop = (square.size / zoom_of(square.matrix) for square in (region, crop))
    side = max(round(native * min(1.0, LARGEST_SIDE / in_crop)), region.size)
    matrix = compose(scaling(side / region.size), region.matrix)
    return CropTransform(matrix, side, region.frame_size)
