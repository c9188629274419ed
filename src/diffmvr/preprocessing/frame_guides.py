"""Guides that are made of the current frame alone (paper 3.2): mirrored, or as it is.

A guide of one's own is a function like these, in a file of its own;
``guide.kinds=[symmetric,past,my_guides:blurred]`` takes ``blurred`` of ``my_guides.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffmvr.checks import check_one_of
from diffmvr.own_code import is_own, load_own
from diffmvr.preprocessing.reference import pixels_in_box
from diffmvr.preprocessing.symmetry import mirror_visible_half
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import Clip, UInt8Array

GuideImage = tuple[UInt8Array, bool]
"""``[H, W, 3]`` uint8, and whether it says anything of the frame."""

FrameGuide = Callable[[Clip, int], GuideImage]
"""Returns a guide of frame ``t`` of a clip, of what the camera saw alone."""


def _symmetric(clip: Clip, t: int) -> GuideImage:
    """Return the mirrored frame and whether it shows anything of the hidden face."""
    mask = clip.mask[t]
    image, known = mirror_visible_half(clip.observed[t], mask, clip.track.midline[t])
    face = pixels_in_box(clip.track.face_box[t])
    hole = mask[face] != 0
    return image, bool(known[face][hole].any() if hole.any() else known.any())


def _present(clip: Clip, t: int) -> GuideImage:
    """Return the frame with its hole grey."""
    return np.where(clip.mask[t, ..., None] != 0, GREY, clip.observed[t]), True


FRAME_GUIDES: dict[str, FrameGuide] = {"symmetric": _symmetric, "present": _present}


def frame_guide(kind: str) -> FrameGuide:
    """Return a guide by its name; one of the user's own says what is wrong with what it gives.

    Raises:
        ValueError: if there is none of that name.
    """
    if not is_own(kind):
        check_one_of("guide.kinds", kind, FRAME_GUIDES)
        return FRAME_GUIDES[kind]
    return OwnGuide(kind, load_own("guide.kinds", kind))


@dataclass(frozen=True)
class OwnGuide:
    """A guide of the user's own.  It is not shown the truth, and told what is wrong with its image.

    Attributes:
        kind: its name, ``module:function``.
        function: the function.
    """

    kind: str
    function: Callable[[Clip, int], Any]

    def __call__(self, clip: Clip, t: int) -> GuideImage:
        """Return the guide of frame ``t``.

        Raises:
            ValueError: if the function gives something else.
        """
        given = self.function(replace(clip, frames=None), t)
        shape = clip.observed[t].shape
        told = f"guide.kinds: {self.kind}: expected (uint8 image {shape}, whether it is valid)"
        if not (isinstance(given, tuple) and len(given) == 2):
            raise ValueError(f"{told} for frame {t}, got {type(given).__name__}")
        image = np.asarray(given[0])
        if image.dtype != np.uint8 or image.shape != shape:
            raise ValueError(f"{told} for frame {t}, got {image.dtype} {image.shape}")
        return image, bool(given[1])
