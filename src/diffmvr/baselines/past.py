"""Baselines that paste the past unobstructed frame (decisions 11) into the hole."""

import numpy as np

from diffmvr.baselines.filling import fill_from, fill_holes
from diffmvr.checks import check_one_of
from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.alignment import propagate_past
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.structures import CLEAR_THRESHOLD, Clip, FloatArray, PastSelection, UInt8Array

NAMES = {"none": "copy_past", "similarity": "copy_past_aligned", "flow": "flow"}


class PastFrame:
    """The most recent earlier frame whose face is unobstructed, pasted into the hole.

    What it does not show is filled by Telea; a frame without such a past is filled by Telea
    altogether.

    Args:
        alignment: ``"none"`` pastes it as it is, ``"similarity"`` carries it by the motion of the
            head, ``"flow"`` refines that by dense flow around the hole.
        clear_threshold: largest occluded share of the face box of an unobstructed frame.

    Attributes:
        name: ``copy_past``, ``copy_past_aligned`` or ``flow``.

    Raises:
        ValueError: on an unknown alignment.
    """

    def __init__(self, alignment: str = "flow", clear_threshold: float = CLEAR_THRESHOLD) -> None:
        check_one_of("alignment", alignment, NAMES)
        self.name = NAMES[alignment]
        self.alignment = alignment
        self.clear_threshold = clear_threshold

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        share = occluded_share(clip.mask, clip.track.face_box)
        past_index = past_clear_index(share, self.clear_threshold)
        return fill_holes(clip, lambda t: self._fill(clip, t, int(past_index[t])))

    def _fill(self, clip: Clip, t: int, past: int) -> UInt8Array:
        frame, mask = clip.observed[t], clip.mask[t]
        if past < 0:
            return inpaint(frame, mask != 0)
        similarity = clip.track.similarity
        matrix: FloatArray = np.eye(2, 3)
        if self.alignment != "none":
            matrix = compose(similarity[t], invert(similarity[past]))
        carried, known = propagate_past(
            clip.observed[past],
            clip.mask[past],
            frame,
            mask,
            matrix,
            refine=self.alignment == "flow",
        )
        return fill_from(carried, known, frame, mask != 0)


class PastGuide:
    """The past guide itself, pasted: what DiffMVR is led by, without the network.

    A frame without a past is filled by Telea.  Not a floor of the paper's: it tells what of
    DiffMVR's score the guide has earned, and what the network has.

    Args:
        past: which unobstructed frames make it; by default the latest one.
        clear_threshold: largest occluded share of the face box of an unobstructed frame.

    Attributes:
        name: ``past_guide``, ``matched_guide`` or ``bank_guide``; with ``reach="both"``
            ``…_both``, with ``mirrored`` ``…_mirrored``.
    """

    def __init__(
        self, past: PastSelection | None = None, clear_threshold: float = CLEAR_THRESHOLD
    ) -> None:
        self._guides = AutomaticGuides(("past",), clear_threshold, past=past)
        chosen = self._guides.past
        name = "past_guide" if chosen.select == "recent" else f"{chosen.select}_guide"
        reach = "" if chosen.reach == "past" else f"_{chosen.reach}"
        self.name = f"{name}{reach}{'_mirrored' if chosen.mirrored else ''}"

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        guides = self._guides(clip)

        def fill(t: int) -> UInt8Array:
            if guides.valid[t, 0]:
                return guides.images[t, 0]
            return inpaint(clip.observed[t], clip.mask[t] != 0)

        return fill_holes(clip, fill)
