"""One frame of a restored recording, and the report's row about it."""

from dataclasses import dataclass

from diffmvr.preprocessing.frame_source import Frame
from diffmvr.structures import UInt8Array


@dataclass(frozen=True)
class FrameRecord:
    """What was done to one frame; a row of the report.

    Attributes:
        index: number of the frame, from 0.
        time: seconds.
        restored: whether anything was hidden.
        mask_share: hidden share of the frame.
        past_index: number of the frame that was the past guide; ``None`` for none.
        past_age: how many frames ago that was.
        guide_valid: for each guide, whether it existed; empty for a frame without a hole.
        axis_source: where the facial midline came from; see ``FaceTrack``.
        region_source: where the square came from; see ``Survey``.
        crop: x0, y0 and side of that square, in pixels from the frame's upper left edge; the model
            restores what is hidden in it.
        region: the same of the square that holds the hole as well; what is hidden outside ``crop``
            comes from past clear frames and inpainting.
    """

    index: int
    time: float
    restored: bool
    mask_share: float
    past_index: int | None
    past_age: int | None
    guide_valid: dict[str, bool]
    axis_source: str
    region_source: str
    crop: tuple[float, float, float]
    region: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class RestoredFrame:
    """One frame before and after.

    Attributes:
        observed: the frame as it was read.
        restored: the same frame with its hole filled; the same object where nothing was hidden.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        record: what was done.
    """

    observed: Frame
    restored: Frame
    mask: UInt8Array
    record: FrameRecord
