"""What the baselines share: filling the rest of a hole from its rim, and the promise outside it.

Legend: T frames, H × W pixels; a candidate is ``[H, W, 3]`` with ``[H, W]`` bool where known.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.structures import Clip, UInt8Array


def fill_holes(clip: Clip, fill: Callable[[int], UInt8Array]) -> UInt8Array:
    """Fill the hole of every frame and leave every visible pixel alone.

    Args:
        clip: the clip; only ``observed`` and ``mask`` are read.
        fill: frame number → that frame filled, ``[H, W, 3]`` uint8; only its hole is used, and
            it is asked for frames with a hole alone.

    Returns:
        ``[T, H, W, 3]`` uint8, equal to ``clip.observed`` wherever the mask is 0.
    """
    restored = clip.observed.copy()
    for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
        hole = clip.mask[t] != 0
        restored[t][hole] = fill(int(t))[hole]
    return restored


def fill_from(
    candidate: UInt8Array, known: NDArray[np.bool_], frame: UInt8Array, hole: NDArray[np.bool_]
) -> UInt8Array:
    """Paste a candidate into the hole where it is known, and fill the rest from the rim (Telea).

    Args:
        candidate: ``[H, W, 3]`` uint8.
        known: ``[H, W]`` bool, where the candidate says something.
        frame: ``[H, W, 3]`` uint8, what the camera saw.
        hole: ``[H, W]`` bool, True = hidden in ``frame``.

    Returns:
        ``[H, W, 3]`` uint8.
    """
    pasted = np.where((hole & known)[..., None], candidate, frame)
    return inpaint(pasted, hole & ~known)
