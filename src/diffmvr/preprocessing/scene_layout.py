"""From what was seen of a scene to its crops, face track and masks (paper 3.1, 3.2).

T frames, crops of p × p.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from diffmvr.checks import check_number
from diffmvr.geometry import compose
from diffmvr.preprocessing.crop import CropTransform, crop_track, square_crops, square_region
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.occlusion import clean_mask, fill_short_gaps
from diffmvr.preprocessing.sightings import REGION_SIZE, Sighting
from diffmvr.preprocessing.smoothing import smooth_over_time
from diffmvr.structures import FaceTrack, FloatArray, UInt8Array

PATH_SIZE = 96
"""Size of the masks that weigh landmarks."""

PATH_SIGMA = 3.0
"""Smoothing of the path that the face is measured along, in frames."""


@dataclass(frozen=True)
class MaskCleaning:
    """How detected masks are cleaned up; see ``clean_mask`` and ``fill_short_gaps``.

    Attributes:
        close: radius of what is closed, in pixels of the crop.
        fill_gap: longest gap in time that is filled, in frames.
        dilate: how much wider a mask becomes on every side, in pixels of the crop.
    """

    close: float = 0.0
    fill_gap: int = 0
    dilate: float = 0.0

    def __post_init__(self) -> None:
        check_number("close", self.close, 0, 1000)
        check_number("fill_gap", self.fill_gap, 0, 1000)
        check_number("dilate", self.dilate, 0, 1000)


@dataclass(frozen=True)
class SceneLayout:
    """The crops of a scene.

    Attributes:
        crops: T transforms, frame → crop.
        track: where the face is, in pixels of the crops.
        masks: ``[T, S, S]`` 0/1, what hides the region of each frame, short gaps filled.
        filled: T flags: the frame's mask is that of the frames around it.
    """

    crops: tuple[CropTransform, ...]
    track: FaceTrack
    masks: UInt8Array
    filled: tuple[bool, ...]


def lay_out_after(
    before: list[Sighting],
    sightings: list[Sighting],
    frame_size: tuple[int, int],
    size: int,
    fill_gap: int = 0,
) -> SceneLayout:
    """Place the crops of frames so that they go on from those before them.

    Args:
        before: frames of the same face that were laid out already; their crops are not returned.
        sightings: see ``lay_out``, as for the rest.
        frame_size: (height, width).
        size: side of the crops in pixels.
        fill_gap: longest gap in the masks to fill, in frames.
    """
    whole, count = lay_out([*before, *sightings], frame_size, size, fill_gap), len(before)
    return SceneLayout(
        whole.crops[count:], whole.track[count:], whole.masks[count:], whole.filled[count:]
    )


def lay_out(
    sightings: list[Sighting], frame_size: tuple[int, int], size: int, fill_gap: int = 0
) -> SceneLayout:
    """Place the crops of a scene, and find the face in them.

    Landmarks are measured along a smooth path of squares that follows the face: where they are
    missing, the last good axis moves with the face box (decisions 10).

    Args:
        sightings: T frames of one scene.
        frame_size: (height, width).
        size: side of the crops in pixels.
        fill_gap: longest gap in the masks to fill, in frames.

    Raises:
        ValueError: if there is no frame.
    """
    path = _smooth_path(sightings, frame_size)
    masks = fill_scene_gaps(sightings, fill_gap)
    points = [
        None if one.points is None else step.to_crop(one.points.astype(np.float64))
        for one, step in zip(sightings, path, strict=True)
    ]
    small = np.stack(
        [
            warp_mask(mask, one.region, step)
            for mask, one, step in zip(masks, sightings, path, strict=True)
        ]
    )
    boxes = np.stack(
        [
            step.to_crop(one.box.reshape(2, 2)).ravel()
            for one, step in zip(sightings, path, strict=True)
        ]
    )
    track = track_from_landmarks(points, (PATH_SIZE, PATH_SIZE), small, boxes)
    sources = (
        "motion" if one.moved and source == "landmarks" else source
        for one, source in zip(sightings, track.axis_source, strict=True)
    )
    track = replace(track, axis_source=tuple(sources))
    back = tuple(CropTransform(step.inverse, PATH_SIZE, frame_size) for step in path)
    track = crop_track(track, back)
    crops = square_crops(track, frame_size, size)
    filled = tuple(
        bool(mask.any()) and one.packed_mask is None
        for mask, one in zip(masks, sightings, strict=True)
    )
    return SceneLayout(crops, crop_track(track, crops), masks, filled)


def fill_scene_gaps(sightings: list[Sighting], fill_gap: int) -> UInt8Array:
    """Return ``[T, S, S]``, the masks of the regions with short gaps filled."""
    if not sightings:
        return np.empty((0, REGION_SIZE, REGION_SIZE), np.uint8)
    return fill_short_gaps(np.stack([one.mask for one in sightings]), fill_gap)


def warp_mask(mask: UInt8Array, region: CropTransform, crop: CropTransform) -> UInt8Array:
    """Return a region's mask in a crop of the same frame, ``[size, size]`` 0/1."""
    matrix = compose(crop.matrix, region.inverse)
    return move_mask(mask, matrix, (crop.size, crop.size))


def mask_in_crop(
    mask: UInt8Array, region: CropTransform, crop: CropTransform, cleaning: MaskCleaning
) -> UInt8Array:
    """Return a region's mask in the crop, closed and widened, ``[p, p]`` 0/1."""
    return clean_mask(warp_mask(mask, region, crop), cleaning.close, cleaning.dilate)


def mask_in_frame(mask: UInt8Array, region: CropTransform) -> UInt8Array:
    """Return a region's mask in the whole frame, ``[H, W]`` 0/1."""
    return move_mask(mask, region.inverse, region.frame_size)


def move_mask(mask: UInt8Array, matrix: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """Move a mask by an affine map; its outline stays smooth where it is enlarged.

    Args:
        mask: ``[h, w]`` 0/1.
        matrix: ``[2, 3]``, its pixels → those of the result.
        size: (height, width) of the result.
    """
    height, width = size
    if not mask.any():
        return np.zeros(size, np.uint8)
    moved = cv2.warpAffine(mask * 255, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return (np.asarray(moved) > 127).astype(np.uint8)


def _smooth_path(
    sightings: list[Sighting], frame_size: tuple[int, int]
) -> tuple[CropTransform, ...]:
    """Return the regions' squares, smoothed over time, as crops of ``PATH_SIZE`` pixels."""
    if not sightings:
        raise ValueError("sightings: expected at least one frame, got none")
    regions = [one.region for one in sightings]
    middle = np.array([(regions[0].size - 1) / 2] * 2)
    centres = np.stack([region.to_frame(middle) for region in regions])
    sides = np.array([region.size / region.matrix[0, 0] for region in regions])
    path = smooth_over_time(np.column_stack([centres, np.log(sides)]), PATH_SIGMA)
    return tuple(square_region(row[:2], np.exp(row[2]), PATH_SIZE, frame_size) for row in path)
