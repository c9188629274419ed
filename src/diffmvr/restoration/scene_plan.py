"""The first pass over a recording: find the face, and decide where to restore.

Of each frame only numbers are kept (landmarks, the hole's box and a thumbnail of the mask), never
its pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from diffmvr.checks import check_shape
from diffmvr.geometry import move_points, scale_track, scaling
from diffmvr.pipelines.windows import paired
from diffmvr.preprocessing.crop import CROP_SCALE, CropTransform, crop_track, square_crops
from diffmvr.preprocessing.face import track_from_boxes, track_from_landmarks
from diffmvr.preprocessing.frame_source import FrameSource, VideoInfo
from diffmvr.preprocessing.landmarks import FaceLandmarker, LandmarkerUnavailableError
from diffmvr.preprocessing.mask_io import MaskSource
from diffmvr.restoration.regions import boxes_around_holes, cover_holes, hole_box
from diffmvr.structures import FaceTrack, FloatArray, UInt8Array

THUMBNAIL = 96
"""Longer side of the masks that weigh the landmarks, in pixels."""


@dataclass(frozen=True)
class Survey:
    """What is known of a recording after the first pass; T frames.

    Attributes:
        mask_share: ``[T]``, hidden share of each frame.
        track: where the face is, in pixels of the crops.
        crops: the square of each frame that goes through the model.
        regions: the square of each frame that holds its crop and its hole.
        region_source: T names of where the square came from: ``"landmarks"``, ``"carried"``
            (between or after frames with landmarks), ``"given"`` or ``"mask"`` (around the hole).
        notes: what the reader of a report should know.
    """

    mask_share: FloatArray
    track: FaceTrack
    crops: tuple[CropTransform, ...]
    regions: tuple[CropTransform, ...]
    region_source: tuple[str, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.crops)


def survey(
    frames: FrameSource,
    masks: MaskSource,
    size: int,
    landmarker: FaceLandmarker | None = None,
    face_box: FloatArray | None = None,
    on_frame: Callable[[], None] | None = None,
) -> Survey:
    """Read a recording once and lay out its restoration.

    Args:
        frames: the recording.
        masks: what hides the face.
        size: side of the model's crops in pixels.
        landmarker: finds the face; ``None`` leaves it to the boxes.
        face_box: ``[4]`` (x0, y0, x1, y1) in pixels, where the face is in every frame; the
            landmarker is then not asked.
        on_frame: called after each frame.

    Raises:
        ValueError: if masks and frames do not fit, there is no frame, the box is not one, or
            every frame is hidden entirely.
    """
    info = frames.info
    if face_box is not None:
        check_face_box(face_box, info)
        landmarker = None
    notes: list[str] = []
    points: list[FloatArray | None] = []
    holes: list[FloatArray] = []
    shares: list[float] = []
    thumbnails: list[UInt8Array] = []
    for frame, mask in paired(frames, masks):
        if landmarker is not None:
            try:
                points.append(landmarker.detect(frame.image, mask))
                thumbnails.append(_thumbnail(mask))
            except LandmarkerUnavailableError as error:
                notes.append(f"the face is not looked for: {error}")
                landmarker = None
        holes.append(hole_box(mask))
        shares.append(np.count_nonzero(mask) / mask.size)
        if on_frame is not None:
            on_frame()
    if not holes:
        raise ValueError(f"input: {frames.path} has no frames; give a video that plays")
    if min(shares) == 1.0:
        raise ValueError(
            f"mask: {masks.path} hides every pixel of all {len(shares)} frames, so that nothing "
            "is left to restore from; mark only what hides the face (is the mask inverted?)"
        )
    track, region_source = _locate(points, np.stack(holes), thumbnails, face_box, info, notes)
    crops = square_crops(track, (info.height, info.width), size, CROP_SCALE)
    regions = cover_holes(crops, np.stack(holes))
    if region_source[0] == "mask":
        crops = regions
    notes += _mask_notes(np.array(shares), masks.path.name)
    if info.frame_count not in (None, len(holes)):
        notes.append(f"the container promises {info.frame_count} frames and shows {len(holes)}")
    track = crop_track(track, crops)
    return Survey(np.array(shares), track, crops, regions, region_source, tuple(notes))


def check_face_box(box: FloatArray, info: VideoInfo) -> None:
    """Require a box with an area that reaches into the frame.

    Raises:
        ValueError: with the box and the frame's size.
    """
    check_shape("face_box", box, (4,))
    x0, y0, x1, y1 = box
    if not (x0 < x1 and y0 < y1 and x1 > 0 and y1 > 0 and x0 < info.width and y0 < info.height):
        raise ValueError(
            f"face_box: expected [x0, y0, x1, y1] with x0 < x1 and y0 < y1 that reaches into the "
            f"frame of {info.size}, got {[float(value) for value in box]}"
        )


def _locate(
    points: list[FloatArray | None],
    holes: FloatArray,
    thumbnails: list[UInt8Array],
    face_box: FloatArray | None,
    info: VideoInfo,
    notes: list[str],
) -> tuple[FaceTrack, tuple[str, ...]]:
    """Return the face track in frame pixels and each frame's source of its region."""
    length = len(holes)
    if face_box is not None:
        return track_from_boxes(np.tile(face_box, (length, 1))), ("given",) * length
    if any(marks is not None for marks in points):
        track = _track_by_thumbnails(points, np.stack(thumbnails), info)
        return track, track.axis_source
    boxes = boxes_around_holes(holes, CROP_SCALE)
    if np.isnan(boxes).all():
        boxes = np.array([[-0.5, -0.5, info.width - 0.5, info.height - 0.5]] * length)
    elif not notes:
        notes.append(
            "no face was found: the square around the hole is restored, mirrored about its "
            "vertical centre line; face_box=[x0,y0,x1,y1] "
            f"{'' if points else 'or landmarker=PATH '}tells where it is"
        )
    return track_from_boxes(boxes), ("mask",) * length


def _track_by_thumbnails(
    points: list[FloatArray | None], thumbnails: UInt8Array, info: VideoInfo
) -> FaceTrack:
    """Track the face at the thumbnails' scale, where the masks of a long recording fit in memory.

    Returns:
        The track in frame pixels.
    """
    zoom = max(thumbnails.shape[1:]) / max(info.height, info.width)
    down = scaling(zoom)
    small = [None if marks is None else move_points(down, marks) for marks in points]
    return scale_track(track_from_landmarks(small, thumbnails.shape[1:], thumbnails), 1 / zoom)


def _thumbnail(mask: UInt8Array) -> UInt8Array:
    """Return the mask at a longer side of 96 pixels; half-hidden pixels count as hidden."""
    zoom = THUMBNAIL / max(mask.shape)
    size = (max(1, round(mask.shape[1] * zoom)), max(1, round(mask.shape[0] * zoom)))
    return (cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)


def _mask_notes(shares: FloatArray, name: str) -> list[str]:
    if shares.max() == 0:
        return [f"the mask ({name}) is empty in every frame: the output equals the input"]
    if np.median(shares) > 0.5:
        return [
            f"the mask hides {np.median(shares):.0%} of the median frame; if that is not meant, "
            "it may be inverted (non-zero means hidden)"
        ]
    return []
