"""Windows of a recording's frames, as a plan says where their faces are.

T frames of H × W, crops of p × p.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.restoration.lenders import FrameInPlace, Lenders, Lent
from diffmvr.restoration.regions import crop_box
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.structures import Clip, UInt8Array, join_clips

Window = list[tuple[Frame, UInt8Array]]
"""Frames, and what is hidden of each."""


def in_place(plan: ScenePlan, t: int, frame: Frame, mask: UInt8Array) -> FrameInPlace:
    """Return frame ``t`` of a plan, with where its face is."""
    if plan.track is None:
        raise ValueError("plan: expected one of a face")
    face = plan.track.similarity[t]
    time = float(plan.times[t])
    return FrameInPlace(frame.image, mask, plan.crops[t], face, frame.index, time)


def age_of(place: FrameInPlace, lent: Lent, plan: ScenePlan) -> float | None:
    """Return how many seconds ago the nearest clear view was that leads a frame, if there is one.

    It is negative for a later one.  The user's own pictures are of no known time: none is theirs.
    """
    ages = [place.time - frame.time for frame in lent.frames[:1]]
    later = [one.index for one in lent.references if one.index > place.index]
    if later:
        there = np.searchsorted(plan.frame_index, later)
        ages.append(place.time - float(plan.times[there].min()))
    return min(ages, key=abs, default=None)


def read_window(reader: Iterator[FrameAndMask], plan: ScenePlan, part: slice) -> Window:
    """Read the frames of a part of a plan, each with its mask.

    Raises:
        ValueError: if they are not there any more.
    """
    wanted = plan.frame_index[part].tolist()
    window = [(frame, plan.mask(frame, mask)) for frame, mask in islice(reader, len(wanted))]
    if [frame.index for frame, _ in window] != wanted:
        raise ValueError(
            f"input: frames {wanted[0]} to {wanted[-1]} were there when the recording was first "
            "read and are not now; do not change a recording while it is processed"
        )
    return window


def corner_and_side(crop: CropTransform) -> tuple[float, float, float]:
    """Return x0, y0 and side of a square, in pixels from the frame's upper left edge."""
    x0, y0, x1, _ = (float(edge) + 0.5 for edge in crop_box(crop))
    return round(x0, 3), round(y0, 3), round(x1 - x0, 3)


def cut_window(window: Window, plan: ScenePlan, first: int, carried: Clip | None) -> Clip:
    """Cut the crops of a window out of its frames, led by the carried frame if there is one."""
    if plan.track is None:
        raise ValueError("plan: expected one of a face")
    part = slice(first, first + len(window))
    pairs = list(zip(window, plan.crops[part], strict=True))
    clip = Clip(
        clip_id="of the recording",
        subject_id="",
        observed=np.stack([crop.apply(frame.image) for (frame, _), crop in pairs]),
        mask=np.stack([crop.apply_mask(mask) for (_, mask), crop in pairs]),
        track=plan.track[part],
        frames=None,
        frame_index=plan.frame_index[part],
    )
    return clip if carried is None else join_clips(carried, clip)


def lend(plan: ScenePlan, place: FrameInPlace, lenders: Lenders) -> None:
    """Let a clear frame lend, but for what was found beside the face: that is no background."""
    found = plan.no_background(place.index)
    if found is None:
        lenders.add(place)
        return
    beside, doubtful = found
    lenders.add(replace(place, mask=np.maximum(place.mask, beside)), doubtful)
