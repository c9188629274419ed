"""Where the face is in each frame: box, midline and head similarity (paper 3.2; decisions 10).

The canonical face has its origin between the eyes, y down, and the distance between the eyes'
centres as its unit; ``similarity`` takes it to pixels.
"""

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_shape
from diffmvr.geometry import move_points
from diffmvr.preprocessing.landmarks import (
    EYE_INDICES,
    LANDMARKS,
    MIDLINE_INDICES,
    RIGID_INDICES,
)
from diffmvr.preprocessing.smoothing import smooth_over_time
from diffmvr.preprocessing.symmetry import fit_midline, smooth_midlines
from diffmvr.structures import FaceTrack, FloatArray, UInt8Array

BOX_MARGIN = 0.05
"""The face box is the box around the landmarks (hairline to chin, ear to ear), larger by this
share of its size on every side."""

HIDDEN_WEIGHT = 0.1
"""Weight of a landmark under the mask: the landmarker guesses it from the visible ones."""

BOX_EYE_HEIGHT = 0.35
BOX_EYE_DISTANCE = 0.39
"""Where the eyes are in a face box: below its top by this share of its height, apart by this
share of its width (means over nine real clips of landmark tracks)."""

JUMP_WINDOW = 4
MAX_SCALE_JUMP = 0.25
MAX_ANGLE_JUMP = np.deg2rad(25.0)
MAX_SHIFT = 1.0
"""A detection is implausible if its scale (relative), angle or place (in eye distances) is
further than this from the median of the detections up to four before and four after it."""


def track_from_landmarks(
    points: list[FloatArray | None],
    frame_size: tuple[int, int],
    masks: UInt8Array | None = None,
    fallback_boxes: FloatArray | None = None,
    sigma: float = 1.0,
) -> FaceTrack:
    """Turn the landmarks of a clip into its face track.

    Frames without a detection, or with one whose scale, angle or place jumps, get box, axis and
    similarity interpolated between the nearest good frames, or those of the only side there is;
    their ``axis_source`` is ``"carried"``.  Without a single good frame the track is that of
    :func:`track_from_boxes`.

    Args:
        points: T times ``[478, 2]`` (x, y) in pixels, or ``None`` where no face was found.
        frame_size: (height, width).
        masks: ``[T, H, W]`` 0/1, 1 = hidden; landmarks under it count less.
        fallback_boxes: ``[T, 4]`` to use if no frame has landmarks; the whole frame by default.
        sigma: smoothing over time, in frames.

    Returns:
        The track, in pixels of the full frame.

    Raises:
        ValueError: if ``points`` is empty, or masks or boxes do not fit it.
    """
    if not points:
        raise ValueError("points: expected one entry for each frame, got none")
    height, width = frame_size
    if masks is not None:
        check_shape("masks", masks, (len(points), height, width))
    found = np.array([t for t, marks in enumerate(points) if marks is not None], int)
    if len(found) == 0:
        if fallback_boxes is None:
            fallback_boxes = np.tile([0.0, 0.0, width - 1.0, height - 1.0], (len(points), 1))
        check_shape("fallback_boxes", fallback_boxes, (len(points), 4))
        return track_from_boxes(fallback_boxes, sigma)
    shapes = np.stack([marks for marks in points if marks is not None])
    check_shape("points", shapes, (None, LANDMARKS, 2))
    weights = np.ones(shapes.shape[:2])
    if masks is not None:
        weights = _visible_weights(shapes, masks[found])

    # 1. The head's motion, and the detections that fit into it.
    canonical = canonical_shape(shapes)
    rigid = list(RIGID_INDICES)
    motion = np.stack(
        [
            _to_motion(fit_similarity(canonical[rigid], shape[rigid], weight[rigid]))
            for shape, weight in zip(shapes, weights, strict=True)
        ]
    )
    motion[:, 1] = np.unwrap(motion[:, 1])
    good = _plausible(motion)

    # 2. Box and axis of the good frames, everything interpolated over the others.
    midline = list(MIDLINE_INDICES)
    lines = np.stack(
        [
            fit_midline(shape[midline], weight[midline])
            for shape, weight in zip(shapes[good], weights[good], strict=True)
        ]
    )
    angle = np.unwrap(np.arctan2(lines[:, 3], lines[:, 2]))
    boxes = boxes_around(shapes[good])
    measured = np.column_stack([boxes, lines[:, :2], angle, motion[good]])
    frames = np.arange(len(points))
    filled = np.column_stack([np.interp(frames, found[good], column) for column in measured.T])

    # 3. Smooth over time.
    box, line, motion = np.split(filled, [4, 7], axis=1)
    direction = np.column_stack([np.cos(line[:, 2]), np.sin(line[:, 2])])
    return FaceTrack(
        face_box=smooth_over_time(box, sigma),
        midline=smooth_midlines(np.column_stack([line[:, :2], direction]), sigma),
        similarity=_to_matrices(smooth_over_time(motion, sigma)),
        axis_source=tuple(
            "landmarks" if known else "carried" for known in np.isin(frames, found[good])
        ),
    )


def track_from_boxes(boxes: FloatArray, sigma: float = 1.0) -> FaceTrack:
    """Make a face track of boxes alone: the axis is the vertical centre line (decisions 10).

    Args:
        boxes: ``[T, 4]`` (x0, y0, x1, y1) in pixels; a row of NaN is a frame without a box and
            is interpolated.
        sigma: smoothing over time, in frames.

    Returns:
        The track; every ``axis_source`` is ``"box"``.

    Raises:
        ValueError: if no row is a box, or one has no area.
    """
    check_shape("boxes", boxes, (None, 4))
    check_number("sigma", sigma, 0.0, np.inf)
    known = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if len(known) == 0:
        raise ValueError(f"boxes: expected at least one finite box, got none in {len(boxes)} rows")
    for x0, y0, x1, y1 in boxes[known]:
        if x1 <= x0 or y1 <= y0:
            raise ValueError(
                f"boxes: expected x0 < x1 and y0 < y1, got ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
            )
    frames = np.arange(len(boxes))
    filled = np.column_stack([np.interp(frames, known, boxes[known, k]) for k in range(4)])
    box = smooth_over_time(filled, sigma)
    size = box[:, 2:] - box[:, :2]
    centre_x = box[:, 0] + size[:, 0] / 2
    eyes_y = box[:, 1] + BOX_EYE_HEIGHT * size[:, 1]
    still = np.zeros(len(box))
    motion = np.column_stack([np.log(BOX_EYE_DISTANCE * size[:, 0]), still, centre_x, eyes_y])
    return FaceTrack(
        face_box=box,
        midline=np.column_stack([centre_x, box[:, 1] + size[:, 1] / 2, still, still + 1.0]),
        similarity=_to_matrices(motion),
        axis_source=("box",) * len(box),
    )


def fit_similarity(
    source: FloatArray, target: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """Fit rotation, scale and shift taking source points to target points (least squares).

    The closed form of Umeyama (1991) in the plane: with centred points as complex numbers z, w,
    the factor a = Σ z̄ w / Σ |z|² is scale and rotation in one.

    Args:
        source: ``[K, 2]``.
        target: ``[K, 2]``.
        weights: ``[K]`` non-negative, or ``None`` for equal ones.

    Returns:
        ``[2, 3]``, source → target.

    Raises:
        ValueError: if the source points coincide.
    """
    share = np.ones(len(source)) if weights is None else weights
    share = share / share.sum()
    z, w = source @ [1, 1j], target @ [1, 1j]
    z_mean, w_mean = share @ z, share @ w
    spread = share @ np.abs(z - z_mean) ** 2
    if spread == 0:
        raise ValueError(f"source: expected at least 2 distinct points, got {source.tolist()}")
    factor = (share * np.conj(z - z_mean)) @ (w - w_mean) / spread
    shift = w_mean - factor * z_mean
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def canonical_shape(shapes: FloatArray) -> FloatArray:
    """Return the median shape of a face in canonical coordinates.

    Shapes are first laid onto each other by their eyes, then by all rigid landmarks.

    Args:
        shapes: ``[N, 478, 2]`` landmarks in pixels.

    Returns:
        ``[478, 2]``: eyes' centres at (∓1/2, 0).
    """
    eyes = np.array([[-0.5, 0.0], [0.5, 0.0]])
    rigid = list(RIGID_INDICES)
    upright = [move_points(fit_similarity(_eye_centres(shape), eyes), shape) for shape in shapes]
    median = np.median(upright, axis=0)
    laid = [move_points(fit_similarity(shape[rigid], median[rigid]), shape) for shape in shapes]
    median = np.median(laid, axis=0)
    return move_points(fit_similarity(_eye_centres(median), eyes), median)


def _eye_centres(shape: FloatArray) -> FloatArray:
    """Return ``[2, 2]``, the midpoints of each eye's corners."""
    return np.stack([shape[list(corners)].mean(axis=0) for corners in EYE_INDICES])


def boxes_around(shapes: FloatArray) -> FloatArray:
    """Return ``[N, 4]``, the boxes around landmarks ``[N, K, 2]`` with their margin."""
    low, high = shapes.min(axis=1), shapes.max(axis=1)
    margin = BOX_MARGIN * (high - low)
    return np.column_stack([low - margin, high + margin])


def _visible_weights(shapes: FloatArray, masks: UInt8Array) -> FloatArray:
    """Return ``[N, 478]``: 1 for a landmark in the open, less under the mask."""
    height, width = masks.shape[1:]
    x = np.clip(np.rint(shapes[..., 0]).astype(int), 0, width - 1)
    y = np.clip(np.rint(shapes[..., 1]).astype(int), 0, height - 1)
    hidden = masks[np.arange(len(masks))[:, None], y, x] != 0
    return np.where(hidden, HIDDEN_WEIGHT, 1.0)


def _to_motion(matrix: FloatArray) -> FloatArray:
    """Return a similarity as ``[4]`` (log scale, angle, x, y), which interpolate well."""
    cos, sin = matrix[:, 0]
    return np.array([np.log(np.hypot(cos, sin)), np.arctan2(sin, cos), *matrix[:, 2]])


def _to_matrices(motion: FloatArray) -> FloatArray:
    """Return ``[T, 2, 3]`` similarities of ``[T, 4]`` (log scale, angle, x, y)."""
    scale, angle = np.exp(motion[:, 0]), motion[:, 1]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    rows = [[cos, -sin, motion[:, 2]], [sin, cos, motion[:, 3]]]
    return np.moveaxis(np.array(rows), -1, 0)


def _plausible(motion: FloatArray) -> NDArray[np.bool_]:
    """Tell which detections fit the ones around them; ``[N]`` bool, at least one True."""
    unit = np.exp(np.median(motion[:, 0]))
    good = np.ones(len(motion), bool)
    for n in range(len(motion)):
        around = np.median(motion[max(0, n - JUMP_WINDOW) : n + JUMP_WINDOW + 1], axis=0)
        gap = np.abs(motion[n] - around)
        good[n] = (
            gap[0] <= np.log1p(MAX_SCALE_JUMP)
            and gap[1] <= MAX_ANGLE_JUMP
            and np.hypot(gap[2], gap[3]) <= MAX_SHIFT * unit
        )
    return good if good.any() else np.ones(len(motion), bool)
