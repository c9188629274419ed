"""How a frame is shown that is not restored, since it could only be guessed."""

from dataclasses import replace

import numpy as np

from diffmvr.checks import check_one_of
from diffmvr.doubt.judgement import Judged
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.restoration.report import Result
from diffmvr.structures import UInt8Array

SHOWN_AS = ("occluder", "hatch", "grey")

BANDS = 40
"""A hatch has so many bands along the frame's longer side."""

LIGHT, DARK = 190, 110
"""Grey levels of its bands."""


def withhold(observed: UInt8Array, mask: UInt8Array, shown_as: str) -> UInt8Array:
    """Return a frame whose hidden part is plainly not restored.

    Args:
        observed: ``[H, W, 3]`` uint8, the frame as it was read.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        shown_as: ``"occluder"``, what hides it; ``"hatch"``, slanting bands of grey; ``"grey"``.

    Raises:
        ValueError: if ``shown_as`` is unknown.
    """
    check_one_of("abstained", shown_as, SHOWN_AS)
    if shown_as == "occluder":
        return observed
    level = np.full(mask.shape, (LIGHT + DARK) // 2, np.uint8)
    if shown_as == "hatch":
        width = max(max(mask.shape) // BANDS, 2)
        rows, columns = np.indices(mask.shape)
        level = np.where((rows + columns) // width % 2, LIGHT, DARK).astype(np.uint8)
    return np.where(mask[..., None] != 0, level[..., None], observed)


def with_judgement(
    seen: tuple[Frame, UInt8Array], result: Result, said: Judged | None, shown_as: str
) -> Result:
    """Return a restored frame with what is said of it; not restored where that is too little.

    Args:
        seen: the frame as it was read, and its mask.
        result: the restored one.
        said: how sure it is; ``None``: nobody says.
        shown_as: how it is shown if it is not restored; see ``withhold``.
    """
    if said is None:
        return result
    observed, mask = seen
    frame = result.frame
    if said.frame.abstained:
        frame = replace(frame, image=withhold(observed.image, mask, shown_as))
    return Result(frame, replace(result.record, doubt=said.frame), said.map)
