"""References that lead a frame without being before it: later frames, and a user's own pictures.

A recording that is whole is read twice, so that the second pass knows clear frames that are still
to come.  What a user shows of the person belongs to no time at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from diffmvr.geometry import compose, invert, scaling, zoom_of
from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.crop import CROP_SCALE, CropTransform, square_crops, square_region
from diffmvr.preprocessing.face import track_from_boxes, track_from_landmarks
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.head_region import head_region
from diffmvr.preprocessing.picture import Picture
from diffmvr.preprocessing.sightings import REGION_SCALE, Sighting
from diffmvr.restoration.lenders import LARGEST_SIDE, FrameInPlace
from diffmvr.structures import FaceTrack, FloatArray, UInt8Array


@dataclass(frozen=True, eq=False)
class FarReference:
    """One such reference, as the model's guides take it and as lenders do.

    Attributes:
        small: at the size of the model's crops.
        native: at the recording's own resolution, at most about 600 pixels wide.
        name: what a report calls a picture that is not of the recording.
    """

    small: Reference
    native: Reference
    name: str | None = None


def sighted_reference(frame: Frame, mask: UInt8Array | None, sighting: Sighting) -> Reference:
    """Return what a clear frame shows, as soon as it is seen; its face is where it seems to be.

    Args:
        frame: the frame.
        mask: ``[H, W]`` 0/1, what is hidden of it beside the face, or ``None`` for nothing.
        sighting: where the face is.
    """
    height, width = size = frame.image.shape[:2]
    if sighting.points is None:
        track = track_from_boxes(sighting.box[None])
    else:
        track = track_from_landmarks([sighting.points.astype(np.float64)], size)
    region = sighting.region
    middle = region.to_frame(np.array([(region.size - 1) / 2] * 2))
    side = region.size / region.matrix[0, 0]
    crop = square_region(middle, side * CROP_SCALE / REGION_SCALE, LARGEST_SIDE, size)
    hidden = np.zeros((height, width), np.uint8) if mask is None else mask
    face = compose(crop.matrix, track.similarity[0])
    place = FrameInPlace(frame.image, hidden, crop, face, frame.index)
    # The smoothed crop may be a little beside the one that was seen.
    return place.reference(place.square_around(region))


def later_reference(
    seen: Reference,
    crop: CropTransform,
    similarity: FloatArray,
    beside: UInt8Array | None = None,
) -> FarReference:
    """Return a clear frame whose crop, and the face in it, are known by now.

    Args:
        seen: from ``sighted_reference``.
        crop: the model's crop of that frame.
        similarity: ``[2, 3]``, canonical face → pixels of that crop.
        beside: ``[H, W]`` 0/1, where the frame shows neither the face nor its background.
    """
    if seen.still is None:
        raise ValueError("seen: expected a frame of the recording, got another picture")
    face = compose(seen.still, compose(crop.inverse, similarity))
    native = replace(seen, face=face)
    if beside is not None:
        square = CropTransform(seen.still, len(seen.picture.mask), crop.frame_size)
        hidden = np.maximum(seen.picture.mask, square.apply_mask(beside))
        native = replace(native, picture=replace(seen.picture, mask=hidden))
    return FarReference(
        native.in_square(compose(crop.matrix, invert(seen.still)), crop.size), native
    )


def picture_reference(
    image: UInt8Array, track: FaceTrack, size: int, number: int, name: str
) -> FarReference:
    """Return a picture of the person that is not of the recording; only its head counts.

    Args:
        image: ``[H, W, 3]`` uint8.
        track: of one frame, the picture.
        size: side of the model's crops.
        number: 1 for the first picture, 2 for the second, …
        name: what a report calls it.
    """
    (crop,) = square_crops(track, (image.shape[0], image.shape[1]), LARGEST_SIDE)
    crop = crop.resized(min(LARGEST_SIDE, int(np.ceil(LARGEST_SIDE / zoom_of(crop.matrix)))))
    whole = Picture(image, np.zeros(image.shape[:2], np.uint8))
    shown = Reference(-number, whole, track.similarity[0], None).in_square(crop.matrix, crop.size)
    beside = head_region(shown.face, shown.picture.mask.shape) < 0.5
    hidden = (beside | (shown.picture.mask != 0)).astype(np.uint8)
    native = replace(shown, picture=Picture(shown.picture.image, hidden))
    return FarReference(native.in_square(scaling(size / crop.size), size), native, name)


def as_small(references: Iterable[FarReference]) -> list[Reference]:
    """Return them at the size of the model's crops."""
    return [one.small for one in references]


def as_native(references: Iterable[FarReference]) -> list[Reference]:
    """Return them at the recording's resolution."""
    return [one.native for one in references]
