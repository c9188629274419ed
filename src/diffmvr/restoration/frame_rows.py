"""The report's row of a frame: where its face was, and what led its restoration."""

from collections.abc import Mapping
from typing import NamedTuple

from diffmvr.restoration.report import FrameRecord, ReferenceRecord
from diffmvr.restoration.scene_plan import NO_FACE, ScenePlan
from diffmvr.restoration.windows import corner_and_side


class Led(NamedTuple):
    """What led the restoration of a frame.

    Attributes:
        valid: for each guide, whether it existed.
        past_index: number of the latest clear frame, if there was one.
        weights: of the frames and pictures that were mixed, by their number.
    """

    valid: dict[str, bool]
    past_index: int | None
    weights: Mapping[int, float]


NOT_LED = Led({}, None, {})


def frame_row(
    plan: ScenePlan, t: int, led: Led = NOT_LED, names: Mapping[int, str | None] | None = None
) -> FrameRecord:
    """Return the row of frame ``t`` of a plan.

    Args:
        plan: of its scene.
        t: its place in the plan.
        led: what led it; not looked at where nothing is hidden.
        names: what a report calls the user's pictures, by their number.
    """
    index, named = int(plan.frame_index[t]), names or {}
    hidden = bool(plan.mask_share[t] > 0)
    valid, past_index, weights = led if hidden else NOT_LED
    return FrameRecord(
        index=index,
        time=float(plan.times[t]),
        restored=hidden,
        mask_share=float(plan.mask_share[t]),
        past_index=past_index,
        past_age=None if past_index is None else index - past_index,
        guide_valid=valid,
        references=tuple(
            ReferenceRecord(None, None, round(weight, 4), named[frame])
            if frame in named
            else ReferenceRecord(frame, index - frame, round(weight, 4))
            for frame, weight in weights.items()
        ),
        axis_source=NO_FACE if plan.track is None else plan.track.axis_source[t],
        region_source=plan.region_source[t],
        crop=corner_and_side(plan.crops[t]),
        region=corner_and_side(plan.regions[t]),
        beyond=plan.beyond(index),
    )
