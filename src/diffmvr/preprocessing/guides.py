"""The guide images of a clip, found in the clip itself (paper 3.2)."""

from collections.abc import Sequence

import numpy as np

from diffmvr.checks import check_number, check_one_of
from diffmvr.preprocessing.alignment import compose, invert, propagate_past
from diffmvr.preprocessing.reference import occluded_share, past_clear_index, pixels_in_box
from diffmvr.preprocessing.symmetry import GREY, mirror_visible_half
from diffmvr.structures import GUIDE_KINDS, Clip, FloatArray, Guides, UInt8Array

ALIGNMENTS = ("flow", "similarity", "none")


class AutomaticGuides:
    """Build the guides from what the camera saw, the mask and the face track, and nothing else.

    - ``"symmetric"``: the visible part of the frame mirrored about the facial midline.  Not valid
      where the frame is occluded and the mirror shows no hidden pixel of the face box.
    - ``"past"``: the most recent earlier frame whose face is unobstructed, carried to the current
      one.  Not valid, and grey, where there is none.
    - ``"present"``: the current frame with its hole grey (decisions 12).  Always valid.

    Args:
        kinds: the guides in order, each one of the three above.
        clear_threshold: largest occluded share of the face box of an unobstructed frame.
        align_past: ``"similarity"`` carries the past frame by the motion of the head,
            ``"flow"`` refines that by dense flow in the frames that are occluded, ``"none"``
            leaves the past frame as it is (the paper; decisions 20).

    Raises:
        ValueError: on an unknown kind or alignment, a repeated kind or none at all.
    """

    def __init__(
        self,
        kinds: Sequence[str] = ("symmetric", "past"),
        clear_threshold: float = 0.005,
        align_past: str = "flow",
    ) -> None:
        for kind in kinds:
            check_one_of("kinds", kind, GUIDE_KINDS)
        if not kinds or len(set(kinds)) != len(kinds):
            raise ValueError(f"kinds: expected one or more different guides, got {list(kinds)}")
        check_number("clear_threshold", clear_threshold, 0.0, 1.0)
        check_one_of("align_past", align_past, ALIGNMENTS)
        self.kinds = tuple(kinds)
        self.clear_threshold = clear_threshold
        self.align_past = align_past

    def __call__(self, clip: Clip) -> Guides:
        """Return the guides of every frame of ``clip``; ``clip.frames`` is not looked at."""
        share = occluded_share(clip.mask, clip.track.face_box)
        past_index = past_clear_index(share, self.clear_threshold)
        length, height, width, _ = clip.observed.shape
        images = np.full((length, len(self.kinds), height, width, 3), GREY, np.uint8)
        valid = np.zeros((length, len(self.kinds)), bool)
        for t in range(length):
            for g, kind in enumerate(self.kinds):
                if kind == "symmetric":
                    images[t, g], valid[t, g] = _symmetric(clip, t)
                elif kind == "present":
                    hidden = clip.mask[t, ..., None] != 0
                    images[t, g], valid[t, g] = np.where(hidden, GREY, clip.observed[t]), True
                elif past_index[t] >= 0:
                    images[t, g], valid[t, g] = self._past(clip, int(past_index[t]), t), True
        return Guides(images, valid, past_index)

    def _past(self, clip: Clip, past: int, current: int) -> UInt8Array:
        """Return frame ``past`` as it would appear in frame ``current``, ``[H, W, 3]``."""
        similarity = clip.track.similarity
        matrix: FloatArray = np.eye(2, 3)
        if self.align_past != "none":
            matrix = compose(similarity[current], invert(similarity[past]))
        image, _ = propagate_past(
            clip.observed[past],
            clip.mask[past],
            clip.observed[current],
            clip.mask[current],
            matrix,
            refine=self.align_past == "flow" and bool(clip.mask[current].any()),
        )
        return image


def _symmetric(clip: Clip, t: int) -> tuple[UInt8Array, bool]:
    """Return the mirrored frame and whether it shows anything of the hidden face."""
    mask = clip.mask[t]
    image, known = mirror_visible_half(clip.observed[t], mask, clip.track.midline[t])
    face = pixels_in_box(clip.track.face_box[t])
    hole = mask[face] != 0
    return image, bool(known[face][hole].any() if hole.any() else known.any())
