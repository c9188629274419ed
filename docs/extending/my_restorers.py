"""A restorer of one's own: every hole gets the mean colour of what is visible of its frame."""

import numpy as np

from diffmvr.structures import Clip, UInt8Array


class MeanColour:
    """Fills a hole with one colour."""

    name = "mean_colour"

    def restore(self, clip: Clip) -> UInt8Array:
        """Return ``[T, H, W, 3]`` uint8, equal to ``clip.observed`` wherever the mask is 0."""
        restored = clip.observed.copy()
        for t, mask in enumerate(clip.mask):
            if mask.any():
                visible = clip.observed[t][mask == 0]
                restored[t][mask == 1] = np.rint(visible.mean(axis=0))
        return restored
