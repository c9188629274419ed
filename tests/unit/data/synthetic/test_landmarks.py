"""Ground-truth geometry of the rendered face."""

import numpy as np
import pytest

from diffmvr.data.synthetic import LANDMARK_NAMES, render_clip
from diffmvr.data.synthetic.anatomy import build_anatomy
from diffmvr.data.synthetic.expression import EXPRESSION_NAMES
from diffmvr.data.synthetic.identity import sample_identity
from diffmvr.data.synthetic.landmarks import fit_midline, fit_similarity, project_landmarks
from diffmvr.data.synthetic.pose import HeadPose

INNER = [i for i, name in enumerate(LANDMARK_NAMES) if not name.startswith(("jaw", "chin"))]


@pytest.mark.parametrize("subject", range(6))
def test_landmarks_and_midline_lie_in_the_face_box(subject):
    clip = render_clip(0, subject, 0, occluded=False)
    box = clip.track.face_box[:, None]
    # The box bounds the head's outline; a nod carries the forehead a little beyond it.
    margin = 4.0
    inner = clip.landmarks[:, INNER]
    assert (inner >= box[..., :2] - margin).all()
    assert (inner <= box[..., 2:] + margin).all()
    x, y, cos, sin = clip.track.midline.T
    np.testing.assert_allclose(np.hypot(cos, sin), 1.0, atol=1e-9)
    assert (sin > 0.8).all()  # the chin is below the forehead
    assert ((x > box[:, 0, 0]) & (x < box[:, 0, 2])).all()
    assert ((y > box[:, 0, 1]) & (y < box[:, 0, 3])).all()


def test_a_frontal_face_mirrors_onto_itself():
    identity = sample_identity(0, 5)
    expression = np.zeros((3, len(EXPRESSION_NAMES)), np.float32)
    expression[:, EXPRESSION_NAMES.index("eye_open")] = 1.0
    roll = np.array([-0.3, 0.0, 0.2])
    zero = np.zeros(3)
    pose = HeadPose(zero, zero, roll, np.full(3, 20.0), np.full((3, 2), 50.0))
    points = project_landmarks(build_anatomy(identity, expression), pose)
    midline = fit_midline(
        np.stack([points[n] for n in ("forehead", "nose_bridge", "nose_tip", "chin")], axis=1)
    )
    cos, sin = midline[:, 2], midline[:, 3]
    np.testing.assert_allclose(np.arctan2(-cos, sin), roll, atol=0.01)
    reflection = np.array([[cos**2 - sin**2, 2 * cos * sin], [2 * cos * sin, sin**2 - cos**2]])
    for name in LANDMARK_NAMES:
        if "left" not in name:
            continue
        there = points[name] - midline[:, :2]
        mirrored = np.einsum("ijt,tj->ti", reflection, there) + midline[:, :2]
        # Up to the identity's own asymmetry, a few hundredths of the eyes' distance (20 px).
        np.testing.assert_allclose(mirrored, points[name.replace("left", "right")], atol=1.6)


def test_similarity_recovers_a_known_transform():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(7, 2))
    angle, scale, shift = np.array([0.3, -1.2]), np.array([4.0, 0.5]), rng.normal(size=(2, 1, 2))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    target = source @ linear.transpose(0, 2, 1) + shift
    matrix = fit_similarity(source, target)
    np.testing.assert_allclose(matrix[:, :, :2], linear, atol=1e-12)
    np.testing.assert_allclose(matrix[:, :, 2], shift[:, 0], atol=1e-12)


def test_similarity_is_the_best_in_least_squares():
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(9, 2)), rng.normal(size=(1, 9, 2))
    matrix = fit_similarity(source, target)[0]
    # Independent reference: the linear least-squares problem in (a, b, tx, ty).
    rows = [[(x, -y, 1, 0), (y, x, 0, 1)] for x, y in source]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows).reshape(-1, 4), target[0].ravel(), rcond=None)[0]
    np.testing.assert_allclose(matrix, [[a, -b, tx], [b, a, ty]], atol=1e-12)


def test_similarity_carries_a_past_frame_onto_the_current_one():
    rigid = [
        LANDMARK_NAMES.index(f"eye_{s}_{c}") for s in ("left", "right") for c in ("inner", "outer")
    ]
    for subject in range(6):
        clip = render_clip(0, subject, 0, occluded=False)
        full = np.concatenate(
            [clip.track.similarity, np.tile([[[0.0, 0.0, 1.0]]], (16, 1, 1))], axis=1
        )
        carry = full[12] @ np.linalg.inv(full[2])
        past, now = clip.landmarks[2, rigid], clip.landmarks[12, rigid]
        carried = past @ carry[:2, :2].T + carry[:2, 2]
        eyes = np.linalg.norm(now[1] - now[3])
        assert np.abs(carried - now).max() < 0.25 * eyes
