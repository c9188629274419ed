"""How much of the model's correction is taken, and how far its guides disagree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import Clip, Guides, UInt8Array


def take_corrections(
    clip: Clip, guides: Guides, restored: UInt8Array, past: int, weights: tuple[float, float]
) -> list[NDArray[np.float32] | None]:
    """Return ``[p, p, 3]`` a frame, what is added to what is known; ``None`` where all counts.

    That is its past guide, and without one the hole inpainted.  The weights are of the two.
    With one below 1 the restored crops are changed accordingly.
    """
    corrections: list[NDArray[np.float32] | None] = [None] * len(clip)
    for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
        led, hidden = bool(guides.valid[t, past]), clip.mask[t] != 0
        weight = np.float32(weights[0] if led else weights[1])
        if not led and weight == 1:
            continue
        known = guides.images[t, past] if led else inpaint(clip.observed[t], hidden)
        correction = weight * (restored[t] - known.astype(np.float32))
        correction[~hidden] = 0
        restored[t] = np.rint(np.where(hidden[..., None], known + correction, restored[t]))
        corrections[t] = correction
    return corrections


def disagreements(guides: Guides, kinds: Sequence[str]) -> list[NDArray[np.float32] | None]:
    """Return ``[p, p]`` a frame, how far mirrored and past guide differ, in grey levels.

    It is NaN where the mirror shows nothing, and ``None`` where there are not both guides.
    """
    found: list[NDArray[np.float32] | None] = [None] * len(guides.images)
    if not {"symmetric", "past"} <= set(kinds):
        return found
    pair = [kinds.index("symmetric"), kinds.index("past")]
    for t in np.flatnonzero(guides.valid[:, pair].all(axis=1)):
        mirrored, past = guides.images[t, pair].astype(np.float32)
        difference = np.abs(mirrored - past).mean(axis=-1)
        difference[(mirrored == GREY).all(axis=-1)] = np.nan
        found[t] = difference
    return found
