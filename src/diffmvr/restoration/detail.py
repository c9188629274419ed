"""Detail finer than the model's pixels, from past clear frames (ours, not the paper's).

A model of 64 × 64 pixels cannot show the skin of a face that fills 400.  Past clear frames can:
carried to the current one at the recording's own resolution, they are the picture to which the
model adds its correction, that is what it makes of the hole minus the past guide it was led by.
What is hidden beside the model's square, such as an arm, they fill alone.
"""

from typing import NamedTuple

import cv2
import numpy as np

from diffmvr.geometry import compose, invert, scaling
from diffmvr.preprocessing.composition import Composite
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.restoration.lenders import FrameInPlace, Lent, carry
from diffmvr.structures import UInt8Array


class Detail(NamedTuple):
    """A region of a frame without a hole.

    Attributes:
        picture: ``[s, s, 3]`` uint8.
        square: its place in the frame.
        composite: the mixture of clear frames in it; ``None`` where they were not mixed.
    """

    picture: UInt8Array
    square: CropTransform
    composite: Composite | None = None


def carry_detail(current: FrameInPlace, region: CropTransform, lent: Lent) -> Detail:
    """Show what past clear frames show of the current one; inpaint the hole where they do not.

    Args:
        current: the frame, with the model's crop.
        region: a square that holds that crop and the hole.
        lent: the clear frames; there may be none.
    """
    square = current.square_around(region)
    here = current.reference(square)
    carried, known, composite = carry(lent, here, current)
    shown = here.picture.image.copy()
    shown[known] = carried[known]
    return Detail(inpaint(shown, (here.picture.mask != 0) & ~known), square, composite)


def past_guide(detail: Detail, crop: CropTransform) -> UInt8Array:
    """Return the model's past guide of a frame from a mixture made at the recording's resolution.

    In the hole it is the very picture that the model's correction is added to.  Around it the
    mixture is shown, too, so that the model sees how far the past is right there.

    Args:
        detail: of the frame, with a mixture.
        crop: the model's.

    Returns:
        ``[p, p, 3]`` uint8.

    Raises:
        ValueError: if there is no mixture.
    """
    if detail.composite is None:
        raise ValueError("detail: expected one with a mixture of references")
    composite, picture = detail.composite, detail.picture
    size, hidden = picture.shape[:2], composite.evidence.mask
    mixture, known = composite.image, composite.known
    if known.shape == size:
        whole = cv2.resize(hidden, size[::-1], interpolation=cv2.INTER_NEAREST)
        hidden = np.asarray(whole, np.uint8)
    else:
        mean, known = composite.evidence.mixture
        mixture = np.rint(mean).clip(0, 255).astype(np.uint8)
        small = cv2.resize(picture, hidden.shape[::-1], interpolation=cv2.INTER_AREA)
        picture = np.asarray(small, np.uint8)
    around = known & (hidden == 0)
    shown = np.where(around[..., None], mixture, picture)
    height, width = hidden.shape
    reduction = scaling(width / size[1], height / size[0])
    way = compose(crop.matrix, invert(compose(reduction, detail.square.matrix)))
    return CropTransform(way, crop.size, (height, width)).apply(shown)
