"""Detail finer than the model's pixels, from past clear frames (ours, not the paper's).

A model of 64 × 64 pixels cannot show the skin of a face that fills 400.  Past clear frames can:
carried to the current one at the recording's own resolution, they are the picture to which the
model adds its correction, that is what it makes of the hole minus the past guide it was led by.
What is hidden beside the model's square, such as an arm, they fill alone.
"""

from typing import NamedTuple

import numpy as np

from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.evidence import Evidence
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.restoration.lenders import FrameInPlace, Lent, carry
from diffmvr.structures import UInt8Array


class Detail(NamedTuple):
    """A region of a frame without a hole.

    Attributes:
        picture: ``[s, s, 3]`` uint8.
        square: its place in the frame.
        evidence: how far the clear frames explain it; ``None`` where they were not mixed.
    """

    picture: UInt8Array
    square: CropTransform
    evidence: Evidence | None = None


def carry_detail(current: FrameInPlace, region: CropTransform, lent: Lent) -> Detail:
    """Show what past clear frames show of the current one; inpaint the hole where they do not.

    Args:
        current: the frame, with the model's crop.
        region: a square that holds that crop and the hole.
        lent: the clear frames; there may be none.
    """
    square = current.square_around(region)
    carried, known, evidence = carry(lent, current, square)
    hidden = square.apply_mask(current.mask) != 0
    shown = np.where(known[..., None], carried, square.apply(current.image))
    return Detail(inpaint(shown, hidden & ~known), square, evidence)
