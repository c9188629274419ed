"""Square crops that follow a face, and the way back (paper 3.2 and 4.1: crop, then resize)."""

from dataclasses import dataclass

import cv2
import numpy as np

from diffmvr.checks import check_number, check_shape
from diffmvr.geometry import compose, invert, move_points, scaling, zoom_of
from diffmvr.preprocessing.smoothing import smooth_over_time
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import FaceTrack, FloatArray, UInt8Array

CROP_SCALE = 1.6
"""Side of a crop in face boxes: 4.8 distances between the eyes on average, as the rendered clips
that the small model is trained on are framed."""

WHOLE = 1e-6
"""Pixels that are moved by a whole number of pixels, but for this much, are copied."""

TOUCHED = 1e-3
"""Least interpolation weight by which a hidden pixel makes the result hidden."""


@dataclass(frozen=True)
class CropTransform:
    """The map between a frame and its square crop.

    Attributes:
        matrix: ``[2, 3]`` float64, frame pixels → crop pixels (pixel centres are integers).
        size: side of the crop, in pixels.
        frame_size: (height, width) of the frame.
    """

    matrix: FloatArray
    size: int
    frame_size: tuple[int, int]

    def __post_init__(self) -> None:
        check_shape("matrix", self.matrix, (2, 3))
        check_number("size", self.size, 1, np.inf)

    @property
    def inverse(self) -> FloatArray:
        """``[2, 3]``, crop pixels → frame pixels."""
        return invert(self.matrix)

    def resized(self, size: int) -> "CropTransform":
        """Return the crop of the same square at another number of pixels."""
        return CropTransform(compose(scaling(size / self.size), self.matrix), size, self.frame_size)

    def to_crop(self, points: FloatArray) -> FloatArray:
        """Map ``[..., 2]`` (x, y) from frame to crop pixels."""
        return move_points(self.matrix, points)

    def to_frame(self, points: FloatArray) -> FloatArray:
        """Map ``[..., 2]`` (x, y) from crop to frame pixels."""
        return move_points(self.inverse, points)

    def apply(self, image: UInt8Array) -> UInt8Array:
        """Cut ``[size, size, 3]`` out of ``[H, W, 3]``; beyond the frame its edge is repeated."""
        check_shape("image", image, (*self.frame_size, 3))
        return _resample(image, self.matrix, (self.size, self.size))

    def apply_mask(self, mask: UInt8Array) -> UInt8Array:
        """Cut ``[size, size]`` 0/1 out of ``[H, W]`` 0/1.

        A crop pixel is hidden if any hidden pixel had a part in it, so that none is lost and none
        shows in a pixel that counts as visible.
        """
        check_shape("mask", mask, self.frame_size)
        hidden = (mask != 0).astype(np.float32)
        weight = _resample(hidden, self.matrix, (self.size, self.size))
        return (np.abs(weight) > TOUCHED).astype(np.uint8)

    def apply_inverse(self, crop: np.ndarray, fill: float = GREY) -> np.ndarray:
        """Lay ``[size, size, 3]`` back into ``[H, W, 3]`` of its type; grey (128) outside."""
        check_shape("crop", crop, (self.size, self.size, 3))
        edge = np.array([-0.5, self.size - 0.5])
        corners = self.to_frame(np.stack(np.meshgrid(edge, edge), axis=-1).reshape(4, 2))
        height, width = self.frame_size
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width, height])
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, [width, height])
        frame = np.full((height, width, 3), fill, crop.dtype)
        if x0 < x1 and y0 < y1:
            to_region = self.inverse - np.array([[0, 0, x0], [0, 0, y0]])
            frame[y0:y1, x0:x1] = _resample(crop, to_region, (y1 - y0, x1 - x0))
        return frame


def square_region(
    centre: FloatArray, side: float, size: int, frame_size: tuple[int, int]
) -> CropTransform:
    """Return the crop of a square of the frame.

    Args:
        centre: ``[2]`` (x, y) in pixels.
        side: in pixels of the frame.
        size: side of the crop in its own pixels.
        frame_size: (height, width).
    """
    zoom = size / side
    shift = (size - 1) / 2 - zoom * centre
    matrix = np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]]])
    return CropTransform(matrix, size, frame_size)


def square_crops(
    track: FaceTrack,
    frame_size: tuple[int, int],
    size: int,
    scale: float = CROP_SCALE,
    sigma: float = 5.0,
) -> tuple[CropTransform, ...]:
    """Place one square around the face in each frame, moving smoothly and never jumping in size.

    All squares of a clip have one side, ``scale`` times the larger side of its median face box,
    so that the face is not seen to breathe.  It shrinks to the frame's shorter side where the
    face box allows that, and then lies inside the frame.

    Args:
        track: where the face is, in frame pixels.
        frame_size: (height, width).
        size: side of the crops, in pixels.
        scale: side of the square in face boxes, ≥ 1.
        sigma: smoothing of the squares' path over time, in frames.

    Returns:
        T transforms.

    Raises:
        ValueError: if ``scale`` is below 1 or ``size`` is not positive.
    """
    check_number("scale", scale, 1.0, np.inf)
    height, width = frame_size
    extent = track.face_box[:, 2:] - track.face_box[:, :2]
    face = float(np.median(extent.max(axis=1)))
    side = max(face, min(scale * face, height, width))
    centre = smooth_over_time((track.face_box[:, :2] + track.face_box[:, 2:]) / 2, sigma)
    corner = centre + 0.5 - side / 2
    for axis, length in enumerate((width, height)):
        slack = length - side
        corner[:, axis] = np.clip(corner[:, axis], min(slack / 2, 0), max(slack / 2, slack))
    # The square covers [corner, corner + side) of the frame's edge-to-edge coordinates.
    return tuple(square_region(edge + side / 2 - 0.5, side, size, frame_size) for edge in corner)


def crop_track(track: FaceTrack, crops: tuple[CropTransform, ...]) -> FaceTrack:
    """Return the track in the pixels of the crops.

    Raises:
        ValueError: if there is not one crop for each frame.
    """
    if len(crops) != len(track):
        raise ValueError(f"crops: expected {len(track)}, one for each frame, got {len(crops)}")
    box = track.face_box
    corners = box[:, [[0, 1], [2, 1], [0, 3], [2, 3]]]
    moved = np.stack([crop.to_crop(points) for crop, points in zip(crops, corners, strict=True)])
    anchor = [crop.to_crop(line[:2]) for crop, line in zip(crops, track.midline, strict=True)]
    along = np.stack(
        [crop.matrix[:, :2] @ line[2:] for crop, line in zip(crops, track.midline, strict=True)]
    )
    return FaceTrack(
        face_box=np.column_stack([moved.min(axis=1), moved.max(axis=1)]),
        midline=np.column_stack([anchor, along / np.linalg.norm(along, axis=1, keepdims=True)]),
        similarity=np.stack(
            [compose(crop.matrix, m) for crop, m in zip(crops, track.similarity, strict=True)]
        ),
        axis_source=track.axis_source,
        crop=np.stack([crop.matrix for crop in crops]),
    )


def _resample(image: np.ndarray, matrix: FloatArray, out_size: tuple[int, int]) -> np.ndarray:
    """Move an image by an affine map without aliasing; (height, width) out.

    Enlarging is cubic.  Reducing by a factor f samples n = ⌈f⌉ times as densely, bilinearly, and
    averages n × n samples: the box filter of ``cv2.INTER_AREA`` at any sub-pixel offset.
    """
    height, width = out_size
    shift = np.rint(matrix[:, 2]).astype(int)
    if np.abs(matrix - np.column_stack([np.eye(2), shift])).max() < WHOLE:
        x, y = shift.tolist()
        return _shifted(image, x, y, height, width)
    dense = int(np.ceil(1.0 / zoom_of(matrix) - 1e-6))
    kernel = cv2.INTER_CUBIC if dense <= 1 else cv2.INTER_LINEAR
    dense = max(dense, 1)
    moved = cv2.warpAffine(
        image,
        compose(scaling(dense), matrix),
        (width * dense, height * dense),
        flags=kernel,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if dense == 1:
        return moved
    return cv2.resize(moved, (width, height), interpolation=cv2.INTER_AREA)


def _shifted(image: np.ndarray, x: int, y: int, height: int, width: int) -> np.ndarray:
    """Copy an image so that its first pixel comes to (x, y); beyond its edge that is repeated."""
    rows = np.clip(np.arange(height) - y, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(width) - x, 0, image.shape[1] - 1)
    inner = [
        slice(int(places[0]), int(places[-1]) + 1)
        for places in (rows, columns)
        if places[-1] - places[0] == len(places) - 1
    ]
    # A part of it is copied far faster than rows and columns by their numbers.
    return image[tuple(inner)].copy() if len(inner) == 2 else image[rows[:, None], columns]
