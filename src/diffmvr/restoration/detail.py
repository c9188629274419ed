"""Detail finer than the model's pixels, from past clear frames (ours, not the paper's).

A model of 64 × 64 pixels cannot show the skin of a face that fills 400.  Past clear frames can:
carried to the current one at the recording's own resolution, they are the picture to which the
model adds its correction, that is what it makes of the hole minus the past guide it was led by.
What is hidden beside the model's square, such as an arm, they fill alone.
"""

from collections.abc import Sequence

import numpy as np

from diffmvr.geometry import compose, move_points
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.restoration.lenders import FrameInPlace, carry
from diffmvr.structures import UInt8Array


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
    square = _at_native_resolution(region, current)
    carried, known = carry(lenders, current, square)
    hidden = square.apply_mask(current.mask) != 0
    shown = np.where(known[..., None], carried, square.apply(current.image))
    return inpaint(shown, hidden & ~known), square


def _at_native_resolution(region: CropTransform, frame: FrameInPlace) -> CropTransform:
    """Return a square around the region whose pixels are those of the frame's ``picture``.

    They are the recording's own, which are copied then and not resampled, but for large faces.
    """
    edges = np.array([[-0.5, -0.5], [region.size - 0.5, region.size - 0.5]])
    box = move_points(frame.reduction, region.to_frame(edges)) + 0.5
    # The tolerance keeps an edge that lies between two pixels but for rounding.
    corner = np.floor(box[0] + 1e-6)
    side = int((np.ceil(box[1] - 1e-6) - corner).max())
    shift = np.column_stack([np.eye(2), -corner])
    return CropTransform(compose(shift, frame.reduction), side, region.frame_size)
