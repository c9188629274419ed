"""Clips without guides, for networks that take none."""

import numpy as np

from diffmvr.structures import Clip, Guides


class NoGuides:
    """A ``GuideBuilder`` that builds nothing, in no time."""

    kinds: tuple[str, ...] = ()

    def __call__(self, clip: Clip) -> Guides:
        """Return guides of which there are none, ``[T, 0, H, W, 3]``."""
        length, height, width, _ = clip.observed.shape
        return Guides(
            images=np.zeros((length, 0, height, width, 3), np.uint8),
            valid=np.zeros((length, 0), bool),
            past_index=np.full(length, -1, np.int64),
        )
