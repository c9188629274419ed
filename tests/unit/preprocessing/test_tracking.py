"""One face is followed, steadily, and nobody else."""

import numpy as np
import pytest

from diffmvr.preprocessing.detection import Detections
from diffmvr.preprocessing.tracking import FaceTracker, OneEuro, iou


def seen(*boxes: tuple[float, float, float, float], scores: tuple[float, ...] = ()) -> Detections:
    return Detections(np.array(boxes, float), np.array(scores or [1.0] * len(boxes)))


def test_overlap_is_that_of_areas() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)

    np.testing.assert_allclose(iou(np.array([0, 0, 10, 10.0]), boxes), [1, 1 / 3, 0])


def test_the_largest_face_is_chosen_and_kept_though_another_grows() -> None:
    tracker = FaceTracker()
    assert tracker.update(seen((0, 0, 20, 20), (50, 50, 90, 90)))
    assert tracker.update(seen((0, 0, 80, 80 - 35), (52, 50, 92, 90)))

    np.testing.assert_array_equal(tracker.box, [52, 50, 92, 90])


def test_a_sure_face_beats_a_slightly_larger_doubtful_one() -> None:
    tracker = FaceTracker()
    tracker.update(seen((0, 0, 20, 20), (50, 50, 72, 72), scores=(0.9, 0.4)))

    np.testing.assert_array_equal(tracker.box, [0, 0, 20, 20])


def test_somebody_else_is_not_taken_for_the_face() -> None:
    tracker = FaceTracker()
    tracker.update(seen((0, 0, 20, 20)))

    assert not tracker.update(seen((100, 100, 140, 140)))
    assert not tracker.update(Detections.none())
    np.testing.assert_array_equal(tracker.box, [0, 0, 20, 20])
    tracker.reset()
    assert tracker.update(seen((100, 100, 140, 140)))


def test_a_face_at_rest_does_not_jitter() -> None:
    rng = np.random.default_rng(0)
    tracker = FaceTracker()
    squares = []
    for _ in range(200):
        noise = rng.normal(0, 1.0, 4)
        tracker.update(seen(tuple(np.array([100, 100, 200, 220]) + noise)))
        squares.append(tracker.square)
    path = np.array(squares)[20:]

    # A detector that is off by 1 % of the face, at two corners; the steps stay below that.
    assert np.abs(np.diff(path[:, :2], axis=0)).max() < 0.01 * 120
    assert np.abs(path[:, 2] - 120).max() < 0.02 * 120


def test_a_face_in_motion_is_not_left_behind() -> None:
    tracker = FaceTracker()
    for t in range(60):
        x = 100 + 5.0 * t
        tracker.update(seen((x, 100, x + 100, 200)))

    assert abs(tracker.square[0] - (x + 50)) < 0.2 * 100


def test_one_euro_starts_at_the_value_and_keeps_a_constant() -> None:
    smooth = OneEuro()
    for _ in range(5):
        np.testing.assert_allclose(smooth(np.array([3.0, 4.0])), [3.0, 4.0])
    with pytest.raises(ValueError, match=r"min_cutoff: expected a positive frequency, got 0"):
        OneEuro(min_cutoff=0)


def test_a_square_before_any_face_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"square: no face was seen yet"):
        _ = FaceTracker().square
