"""The head is where the picture shows it, whatever a landmarker says of a hidden face."""

import cv2
import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.geometry import move_points
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.head_motion import HeadFollower
from diffmvr.preprocessing.landmarks import EYE_INDICES

SIDE, COUNT = 160, 10
REGION = CropTransform(np.eye(2, 3), SIDE, (SIDE, SIDE))
EYES = 36.0
CLEAR = np.zeros((SIDE, SIDE), np.uint8)
HAND = CLEAR.copy()
HAND[75:150, 30:110] = 1
WALL, SKIN = smooth_texture(SIDE, SIDE, 7), smooth_texture(SIDE, SIDE, 8)


def face_points() -> np.ndarray:
    """Return landmarks that fill an ellipse in the middle of the region, the eyes level."""
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 478), np.sqrt(rng.uniform(0, 1, 478))
    points = 80 + radius[:, None] * np.column_stack([40 * np.cos(angle), 52 * np.sin(angle)])
    for side, corners in ((-1, EYE_INDICES[0]), (1, EYE_INDICES[1])):
        points[list(corners)] = [[80 + side * EYES / 2 + d, 65] for d in (-5, 5)]
    return points


POINTS = face_points()


def motion(t: int) -> np.ndarray:
    """Return how the head has moved by frame t: it nods, turns and comes nearer."""
    matrix = cv2.getRotationMatrix2D((80, 80), 0.6 * t, 1 + 0.005 * t)
    return matrix + np.array([[0, 0, 1.2 * t], [0, 0, -0.5 * t]])


def frame(t: int) -> np.ndarray:
    """Show a face that has moved before a wall that stands still."""
    head = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(head, (80, 80), (44, 57), 0, 0, 360, 1.0, -1)
    skin, on_head = (
        cv2.warpAffine(part, motion(t), (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        for part in (SKIN, head)
    )
    return np.where(on_head[..., None] > 0.5, skin, WALL)


def truth(t: int) -> np.ndarray:
    return move_points(motion(t), POINTS)


def away(points: np.ndarray, t: int) -> float:
    """Return the mean error of landmarks in distances between the eyes."""
    return float(np.linalg.norm(points - truth(t), axis=1).mean() / EYES)


def drawn_along(t: int) -> np.ndarray:
    """Say what a landmarker does that a hand draws along: a face, slowly moving elsewhere."""
    return truth(t) + np.array([-2.0 * t, 1.5 * t])


def test_landmarks_of_a_clear_face_are_passed_on() -> None:
    follower = HeadFollower()
    for t in range(3):
        points = drawn_along(t)
        assert follower.follow(frame(t), CLEAR, REGION, points) is points
    assert follower.follow(frame(3), CLEAR, REGION, None) is None


@pytest.mark.parametrize("found", [True, False])
def test_landmarks_that_a_hand_draws_along_give_way_to_the_picture(found: bool) -> None:
    follower = HeadFollower()
    follower.follow(frame(0), CLEAR, REGION, truth(0))
    for t in range(1, COUNT):
        hidden = np.where(HAND[..., None] == 1, np.uint8(200), frame(t))
        points = follower.follow(hidden, HAND, REGION, drawn_along(t) if found else None)
        assert points is not None
        assert away(points, t) < 0.05
    assert away(drawn_along(COUNT - 1), COUNT - 1) > 0.5


def test_landmarks_that_the_picture_agrees_with_stay() -> None:
    follower = HeadFollower()
    follower.follow(frame(0), CLEAR, REGION, truth(0))
    points = follower.follow(frame(1), HAND, REGION, truth(1))
    assert points is not None and away(points, 1) < 0.01


def test_hidden_pixels_do_not_matter() -> None:
    results = []
    for colour in (0, 255):
        follower = HeadFollower()
        follower.follow(frame(0), CLEAR, REGION, truth(0))
        image = np.where(HAND[..., None] == 1, np.uint8(colour), frame(4))
        results.append(follower.follow(image, HAND, REGION, None))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("hidden", [np.ones_like(CLEAR), HAND])
def test_what_cannot_be_seen_is_left_to_the_landmarker(hidden: np.ndarray) -> None:
    """Nothing is visible, or another picture is: nobody knows better."""
    follower = HeadFollower()
    follower.follow(frame(0), CLEAR, REGION, truth(0))
    elsewhere = smooth_texture(SIDE, SIDE, 9)
    assert follower.follow(elsewhere, hidden, REGION, None) is None
    said = drawn_along(5)
    assert follower.follow(elsewhere, hidden, REGION, said) is said


def test_a_face_that_was_never_clear_is_left_to_the_landmarker() -> None:
    follower = HeadFollower()
    for t in range(3):
        said = truth(t)
        assert follower.follow(frame(t), HAND, REGION, said) is said


def test_it_follows_again_after_what_it_could_not_see() -> None:
    follower = HeadFollower()
    follower.follow(frame(0), CLEAR, REGION, truth(0))
    assert follower.follow(frame(1), np.ones_like(CLEAR), REGION, None) is None
    points = follower.follow(frame(2), HAND, REGION, None)
    assert points is not None and away(points, 2) < 0.05


def test_another_scene_forgets_the_face() -> None:
    follower = HeadFollower()
    follower.follow(frame(0), CLEAR, REGION, truth(0))
    follower.reset()
    assert follower.follow(frame(1), HAND, REGION, None) is None
