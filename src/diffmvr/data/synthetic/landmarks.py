"""Landmarks of the rendered face and the geometry that follows from them."""

import numpy as np

from diffmvr.data.synthetic.anatomy import OUTLINE_POINTS, Anatomy
from diffmvr.data.synthetic.pose import HeadPose
from diffmvr.data.synthetic.rng import FloatArray

LANDMARK_NAMES = (
    "forehead",
    "nose_bridge",
    "nose_tip",
    "nose_base",
    "chin",
    "nostril_left",
    "nostril_right",
    "eye_left_outer",
    "eye_left_inner",
    "eye_left_top",
    "eye_left_bottom",
    "eye_right_outer",
    "eye_right_inner",
    "eye_right_top",
    "eye_right_bottom",
    "pupil_left",
    "pupil_right",
    "brow_left_outer",
    "brow_left_mid",
    "brow_left_inner",
    "brow_right_outer",
    "brow_right_mid",
    "brow_right_inner",
    "mouth_left",
    "mouth_right",
    "mouth_top",
    "mouth_bottom",
    "lip_inner_top",
    "lip_inner_bottom",
    "cheek_left",
    "cheek_right",
    "jaw_left",
    "jaw_right",
)
"""Left and right are the image's, for a face seen from the front."""

MIDLINE_NAMES = ("forehead", "nose_bridge", "nose_tip", "nose_base", "chin")
RIGID_NAMES = (
    "forehead",
    "nose_bridge",
    "nose_base",
    "eye_left_outer",
    "eye_left_inner",
    "eye_right_outer",
    "eye_right_inner",
    "cheek_left",
    "cheek_right",
)
"""Landmarks that expression hardly moves: the head's similarity is fitted to them."""

_CHIN = OUTLINE_POINTS // 2
_JAW = OUTLINE_POINTS * 7 // 20  # about the height of the mouth's corners
_FOREHEAD_Y = -0.95


def project_landmarks(anatomy: Anatomy, pose: HeadPose) -> dict[str, FloatArray]:
    """Return name → ``[T, 2]`` frame coordinates for every name of ``LANDMARK_NAMES``."""
    names = [name for name in LANDMARK_NAMES if name in anatomy.points]
    inner = pose.project(np.stack([anatomy.points[name] for name in names], axis=1))
    landmarks = {name: inner[:, i] for i, name in enumerate(names)}
    edge = anatomy.outline[:, [_CHIN, OUTLINE_POINTS - _JAW, _JAW]]
    outline = pose.project(edge, silhouette=True)
    for i, name in enumerate(("chin", "jaw_left", "jaw_right")):
        landmarks[name] = outline[:, i]
    return landmarks


def to_pixels(points: FloatArray, size: int) -> FloatArray:
    """Convert frame coordinates to pixels whose centres are integers."""
    return points * size - 0.5


def face_box(anatomy: Anatomy, pose: HeadPose) -> FloatArray:
    """Return ``[T, 4]`` (x0, y0, x1, y1), frame coordinates: forehead to chin, cheek to cheek."""
    below = anatomy.outline[0, :, 1] > _FOREHEAD_Y
    outline = pose.project(anatomy.outline[:, below], silhouette=True)
    return np.concatenate([outline.min(axis=1), outline.max(axis=1)], axis=1)


def fit_midline(points: FloatArray) -> FloatArray:
    """Fit a line to the landmarks of the midline by total least squares.

    Args:
        points: ``[T, N, 2]``, ordered from forehead to chin.

    Returns:
        ``[T, 4]``: (x, y, cos, sin), the points' centroid and the unit direction to the chin.
    """
    centre = points.mean(axis=1)
    centred = points - centre[:, None]
    axis = np.linalg.svd(centred, full_matrices=False)[2][:, 0]
    downwards = np.sum(axis * (points[:, -1] - points[:, 0]), axis=1)
    return np.concatenate([centre, axis * np.where(downwards < 0, -1.0, 1.0)[:, None]], axis=1)


def fit_similarity(source: FloatArray, target: FloatArray) -> FloatArray:
    """Fit rotation, scale and shift by least squares (Umeyama 1991, without reflection).

    Args:
        source: ``[N, 2]`` canonical positions.
        target: ``[T, N, 2]`` positions in each frame.

    Returns:
        ``[T, 2, 3]`` matrices that carry ``source`` to ``target``.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=1)
    p, q = source - source_mean, target - target_mean[:, None]
    # In the plane a similarity is one complex factor: Σ conj(p) q / Σ |p|².
    factor = ((p[:, 0] - 1j * p[:, 1]) * (q[..., 0] + 1j * q[..., 1])).sum(axis=1)
    factor = factor / np.sum(p**2)
    linear = np.stack(
        [
            np.stack([factor.real, -factor.imag], axis=-1),
            np.stack([factor.imag, factor.real], axis=-1),
        ],
        axis=-2,
    )
    shift = target_mean - linear @ source_mean
    return np.concatenate([linear, shift[..., None]], axis=-1)
