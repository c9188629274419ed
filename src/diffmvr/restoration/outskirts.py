"""What hides a face, followed beyond the square in which it was looked for (ours).

A hand has an arm.  What hides a face is looked for in a square around it (the region), where the
detector sees most.  So that no arm is cut off at the border of that square, the detector sees a
wider part of the frame as well.  What it finds there and is one piece with what hides the region is
hidden, too.  What is a piece of its own, such as a hand on its way to the face, stays in the
picture; but it is no background, so that nothing is learnt from it of what is behind.  Where
something is found a moment later or earlier, that is doubtful: the detector may find a hand late.

All of it is kept in a small picture of the whole frame, the map, h × w.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from diffmvr.geometry import compose, move_points, scaling
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.occlusion import OccluderFinder, clean_mask, fill_short_gaps
from diffmvr.preprocessing.scene_layout import MaskCleaning, mask_in_frame, move_mask
from diffmvr.preprocessing.sightings import REGION_SIZE, Sighting, pack_mask, unpack_mask
from diffmvr.restoration.paste_back import footprint
from diffmvr.structures import UInt8Array

WIDER = 2.2
"""Side of the part of the frame that is looked at as well, in sides of the region."""

WORTH = 1.1
"""It is looked at if it is larger than what the region shows of the frame by this factor."""

VIEW_SIZE = 2 * REGION_SIZE
"""A larger part is reduced to so many pixels along its longer side."""

MAP_SIZE = 320
"""Longer side of the map, in pixels."""

JOINT = 2
"""Pieces that are no farther apart than this are one, in pixels of the map."""

LATE = 5
"""Something may be found so many frames late, or lost so many frames early."""

CUT_SHARE = 0.5
"""A hole is cut off if what is hidden just outside the region is less than this share of it."""


@dataclass(frozen=True, eq=False)
class FoundMask:
    """What was found to hide a frame.

    Attributes:
        region: the square around the face.
        inside: the mask of the region, bit by bit; ``None`` if nothing hides it.
        around: ``[h, w]`` bool, hidden outside the region, bit by bit; ``None`` for nothing.
        beside: ``[h, w]`` bool, neither hidden nor background; ``None`` for nothing.
        doubtful: ``[h, w]`` bool, perhaps no background; ``None`` for nothing.
        beyond: ``"followed"`` if the hole goes on outside the region, ``"cut"`` if it ends at the
            border of what was looked at, so that it may go on; ``None`` if it lies inside the
            region.
    """

    region: CropTransform
    inside: UInt8Array | None
    around: UInt8Array | None = None
    beside: UInt8Array | None = None
    doubtful: UInt8Array | None = None
    beyond: str | None = None

    def in_frame(self) -> UInt8Array:
        """Return ``[H, W]`` 0/1, what is hidden."""
        outside = self._enlarged(self.around)
        x0, y0, x1, y1 = footprint(self.region)
        outside[y0:y1, x0:x1] = mask_in_frame(unpack_mask(self.inside), self.region)[y0:y1, x0:x1]
        return outside

    def no_background(self) -> tuple[UInt8Array, UInt8Array] | None:
        """Return ``[H, W]`` 0/1 each, where a clear frame shows no background, and where perhaps.

        ``None`` if there is background everywhere.
        """
        if self.beside is None and self.doubtful is None:
            return None
        return self._enlarged(self.beside), self._enlarged(self.doubtful)

    def _enlarged(self, packed: UInt8Array | None) -> UInt8Array:
        """Return a part of the map in the frame, ``[H, W]`` 0/1."""
        height, width = self.region.frame_size
        small = 255 * unpack_mask(packed, map_shape(self.region.frame_size))
        large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        return (np.asarray(large) > 127).astype(np.uint8)


def map_shape(frame_size: tuple[int, int]) -> tuple[int, int]:
    """Return (h, w) of the map of a frame."""
    zoom = min(1.0, MAP_SIZE / max(frame_size))
    return max(1, round(zoom * frame_size[0])), max(1, round(zoom * frame_size[1]))


def look_around(
    image: UInt8Array, region: CropTransform, occluders: OccluderFinder
) -> UInt8Array | None:
    """Look for what could hide a face in a wider part of a frame than its region.

    Args:
        image: ``[H, W, 3]`` uint8, the frame.
        region: the square around the face.
        occluders: finds what hides faces.

    Returns:
        ``[h, w]`` 0/1, the map; ``None`` if the region shows nearly all there is.
    """
    view_box = _view(region)
    if view_box is None:
        return None
    low, high = view_box
    view = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
    zoom = min(1.0, VIEW_SIZE / max(view.shape[:2]))
    if zoom < 1:
        view = np.asarray(cv2.resize(view, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA))
    found = occluders.find(view)
    to_frame = compose(
        np.array([[1.0, 0, low[0]], [0, 1, low[1]]]),
        scaling((high - low)[0] / view.shape[1], (high - low)[1] / view.shape[0]),
    )
    return move_mask(found, compose(_to_map(region), to_frame), map_shape(region.frame_size))


def follow(
    sightings: list[Sighting],
    masks: UInt8Array,
    maps: list[UInt8Array | None],
    cleaning: MaskCleaning,
) -> dict[int, FoundMask]:
    """Clean up what was found in the frames of a scene, and follow it beyond the regions.

    Args:
        sightings: T frames.
        masks: ``[T, S, S]`` 0/1, what hides their regions, short gaps filled.
        maps: T maps (see ``look_around``), ``None`` where there is none.
        cleaning: in pixels of the regions; outside them it is as much wider as the view is.

    Returns:
        By frame number; frames in which nothing was found are left out.
    """
    if not sightings:
        return {}
    shape = map_shape(sightings[0].region.frame_size)
    nothing = np.zeros(shape, np.uint8)
    outsides = [_outside(one.region, shape) for one in sightings]
    inside, around, beside, found_outside = [], [], [], []
    for one, mask, found, outside in zip(sightings, masks, maps, outsides, strict=True):
        cleaned = clean_mask(mask, cleaning.close, cleaning.dilate)
        to_map = compose(_to_map(one.region), one.region.inverse)
        on_map = move_mask(cleaned, to_map, shape)
        pieces = nothing if found is None else _cleaned(found, one.region, cleaning)
        joined = _pieces_with(pieces, on_map)
        inside.append((cleaned, on_map))
        around.append(joined & outside)
        beside.append(pieces & ~joined)
        found_outside.append(pieces & outside)
    doubtful = [nothing] * len(sightings)
    if any(part.any() for part in found_outside):
        # A piece that was lost for a moment, too.
        around = list(fill_short_gaps(np.stack(around), cleaning.fill_gap))
        soon = maximum_filter1d(np.stack(found_outside), 2 * LATE + 1, axis=0, mode="nearest")
        doubtful = list(soon)
    result = {}
    for k, one in enumerate(sightings):
        mask, on_map = inside[k]
        kept = [pack_mask(part) for part in (mask, around[k], beside[k], doubtful[k])]
        if any(packed is not None for packed in kept):
            beyond = _beyond(on_map, around[k], outsides[k], one.region)
            result[one.index] = FoundMask(one.region, kept[0], kept[1], kept[2], kept[3], beyond)
    return result


def _view(region: CropTransform) -> tuple[NDArray[np.int_], NDArray[np.int_]] | None:
    """Return (x, y) of the first pixel of what is looked at, and of the first one after it."""
    height, width = region.frame_size
    x0, y0, x1, y1 = footprint(region)
    reach = WIDER / 2 * region.size / region.matrix[0, 0]
    middle = region.to_frame(np.array([(region.size - 1) / 2] * 2))
    low = np.floor(middle - reach).astype(int).clip(0)
    high = np.ceil(middle + reach).astype(int).clip(None, [width, height])
    worth = np.prod(np.maximum(high - low, 0)) >= WORTH * max((x1 - x0) * (y1 - y0), 1)
    return (low, high) if worth else None


def _to_map(region: CropTransform) -> NDArray[np.float64]:
    """Return ``[2, 3]``, pixels of the frame → pixels of its map."""
    (height, width), (h, w) = region.frame_size, map_shape(region.frame_size)
    return scaling(w / width, h / height)


def _outside(region: CropTransform, shape: tuple[int, int]) -> UInt8Array:
    """Return ``[h, w]`` 0/1, the pixels of the map that the region does not hold entirely."""
    whole = np.ones((region.size, region.size), np.uint8)
    held = move_mask(whole, compose(_to_map(region), region.inverse), shape)
    # The pixel that the border goes through is shared by both.
    return 1 - np.asarray(cv2.erode(held, np.ones((3, 3), np.uint8)), np.uint8)


def _cleaned(found: UInt8Array, region: CropTransform, cleaning: MaskCleaning) -> UInt8Array:
    zoom = WIDER * _to_map(region)[0, 0] / region.matrix[0, 0]
    return clean_mask(found, zoom * cleaning.close, zoom * cleaning.dilate)


def _pieces_with(found: UInt8Array, inside: UInt8Array) -> UInt8Array:
    """Return the pieces of what was found that are one with what hides the region."""
    kernel = np.ones((JOINT + 1, JOINT + 1), np.uint8)
    count, labels = cv2.connectedComponents(cv2.dilate(np.maximum(found, inside), kernel))
    kept = np.isin(labels, [k for k in np.unique(labels[inside != 0]) if k])
    return found & kept.astype(np.uint8) if count > 1 else np.zeros_like(found)


def _beyond(
    inside: UInt8Array, around: UInt8Array, outside: UInt8Array, region: CropTransform
) -> str | None:
    """Return what becomes of a hole at the region's border; see ``FoundMask``."""
    grown = np.asarray(cv2.dilate(inside & ~outside, np.ones((5, 5), np.uint8)), np.uint8)
    rim = grown & outside
    if np.count_nonzero(rim & around) < CUT_SHARE * np.count_nonzero(rim):
        return "cut"
    if not around.any():
        return None
    unseen = np.ones_like(around)
    if (view := _view(region)) is not None:
        x0, y0, x1, y1 = np.rint(move_points(_to_map(region), np.array(view))).astype(int).ravel()
        unseen[y0:y1, x0:x1] = 0
    reached = np.asarray(cv2.dilate(around, np.ones((5, 5), np.uint8)), np.uint8) & unseen
    return "cut" if reached.any() else "followed"
