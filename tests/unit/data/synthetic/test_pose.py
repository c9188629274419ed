"""Projection of the head."""

import numpy as np

from diffmvr.data.synthetic.pose import HeadPose, sample_pose

POINTS = np.array([[[0.5, 0.2, 1.0], [-0.5, 0.2, 1.0], [0.0, 0.4, 1.3]]])


def _pose(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> HeadPose:
    return HeadPose(
        np.array([yaw]), np.array([pitch]), np.array([roll]), np.ones(1), np.zeros((1, 2))
    )


def test_without_rotation_depth_does_not_matter():
    np.testing.assert_allclose(_pose().project(POINTS), POINTS[..., :2])


def test_projection_equals_rotation_matrices():
    yaw, pitch, roll = 0.4, -0.15, 0.3
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    )
    about_z = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    expected = POINTS @ (about_z @ about_x @ about_y).T
    np.testing.assert_allclose(_pose(yaw, pitch, roll).project(POINTS), expected[..., :2])


def test_turning_moves_near_points_further_and_foreshortens_the_far_side():
    # Turned to the image's right: the tip of the nose runs ahead, the right half narrows.
    right, left, nose = _pose(yaw=0.4).project(POINTS)[0]
    assert nose[0] > 0.5 * (right[0] + left[0])
    assert right[0] - nose[0] < nose[0] - left[0]


def test_sampled_poses_keep_the_head_in_the_frame():
    for seed in range(100):
        pose = sample_pose(np.random.default_rng(seed), 16)
        assert np.abs(pose.yaw).max() < 0.7
        assert (np.abs(pose.centre - 0.5) < 0.25).all()
        assert ((pose.scale > 0.17) & (pose.scale < 0.26)).all()
