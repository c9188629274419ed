"""A frame that is carried to others, or to which others are carried, and its reduced forms.

H × W are the pixels of the frame, h × w those of its reduced form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from diffmvr.checks import check_shape
from diffmvr.geometry import scaling
from diffmvr.preprocessing.registration import Registration
from diffmvr.preprocessing.visible import with_visibility
from diffmvr.structures import FloatArray, UInt8Array

FINDING_SIZE = 192
"""Shorter side, in pixels, of the reduced pictures in which motions and weights are found."""

LEAST_REDUCTION = 0.7
"""Pictures that would be reduced by less are taken as they are."""

COARSENESS = 0.33
"""Size, in reduced pictures, of those in which it is chosen what is worth carrying."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame that is carried, or carried to, and its reduced form, which is made once.

    A past frame that is carried to many frames, or a frame that many are carried to, is one object.

    Attributes:
        image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        zoom: size of the reduced form in sizes of the frame; ``None`` reduces the shorter side to
            ``FINDING_SIZE``.  A face should be alike large in the reduced forms of a pair.
    """

    image: UInt8Array
    mask: UInt8Array
    zoom: float | None = None

    def __post_init__(self) -> None:
        check_shape("image", self.image, (*self.mask.shape, 3))

    @cached_property
    def small(self) -> tuple[UInt8Array, UInt8Array]:
        """Reduced ``[h, w, 3]`` and its mask ``[h, w]``, hidden where any hidden pixel has a part.

        They are the frame itself where reducing it would gain little.
        """
        zoom = FINDING_SIZE / min(self.mask.shape) if self.zoom is None else self.zoom
        if zoom >= LEAST_REDUCTION:
            return self.image, self.mask
        height, width = (max(1, round(zoom * side)) for side in self.mask.shape)
        return reduce_frame(self.image, self.mask, (width, height))

    @cached_property
    def seen(self) -> UInt8Array:
        """``[H, W, 4]``, the frame and where it is visible; see ``visible.py``."""
        return with_visibility(self.image, self.mask)

    @cached_property
    def small_seen(self) -> UInt8Array:
        """``[h, w, 4]``, the same of the reduced form."""
        return self.seen if self.small[1] is self.mask else with_visibility(*self.small)

    @cached_property
    def coarse(self) -> tuple[UInt8Array, UInt8Array]:
        """The reduced form once more reduced, ``COARSENESS`` times, and its mask."""
        image, mask = self.small
        height, width = (max(1, round(COARSENESS * side)) for side in mask.shape)
        return reduce_frame(image, mask, (width, height))

    @cached_property
    def coarse_seen(self) -> UInt8Array:
        """The same of the coarse form."""
        return with_visibility(*self.coarse)

    @cached_property
    def registration(self) -> Registration:
        """Of the reduced form, to which others are registered."""
        return Registration(*self.small)

    @cached_property
    def reduction(self) -> FloatArray:
        """``[2, 3]``, pixels → pixels of the reduced form."""
        return self._to(self.small[1])

    @cached_property
    def coarsening(self) -> FloatArray:
        """``[2, 3]``, pixels → pixels of the coarse form."""
        return self._to(self.coarse[1])

    def _to(self, mask: UInt8Array) -> FloatArray:
        (height, width), (whole_height, whole_width) = mask.shape, self.mask.shape
        return scaling(width / whole_width, height / whole_height)


def reduce_frame(
    image: UInt8Array, mask: UInt8Array, size: Sequence[int]
) -> tuple[UInt8Array, UInt8Array]:
    """Reduce a frame to (width, height); a pixel in which any hidden one has a part is hidden."""
    reduced: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize((mask != 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return reduced, (share > 0).astype(np.uint8)
