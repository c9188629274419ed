"""Landmarks of a restored face against the clean one's."""

import math

import numpy as np
import pytest

from diffmvr.metrics.landmark_error import landmark_error

EYES = ((0, 1), (2, 3))
FACE = np.array([[8, 10], [12, 10], [28, 10], [32, 10], [20, 20], [20, 30]], float)
# Eye centres at (10, 10) and (30, 10): 20 pixels apart.


def face(frames: int = 3) -> np.ndarray:
    return np.tile(FACE, (frames, 1, 1))


def hole(*points: tuple[int, int], frames: int = 3, first: int = 1) -> np.ndarray:
    """Masks that hide single pixels (x, y) from frame ``first`` on."""
    mask = np.zeros((frames, 40, 40), np.uint8)
    for x, y in points:
        mask[first:, y, x] = 1
    return mask


def test_a_perfect_restoration_has_no_error() -> None:
    scores = landmark_error(face(), face(), hole((20, 20), (20, 30)), EYES)
    assert scores["landmark_error_hole"] == 0
    assert scores["landmark_found"] == 1
    assert (scores["landmark_frames"], scores["landmark_frames_unknown"]) == (2, 0)


def test_only_landmarks_in_the_hole_count_over_the_distance_of_the_eyes() -> None:
    restored = face()
    restored[:, 4] += [3, 4]  # 5 pixels off, hidden
    restored[:, 5] += [0, 39]  # far off, visible
    scores = landmark_error(restored, face(), hole((20, 20)), EYES)
    assert scores["landmark_error_hole"] == pytest.approx(5 / 20)


def test_landmarks_are_averaged_in_a_frame_and_frames_in_a_clip() -> None:
    restored = face()
    restored[1, 4] += [4, 0]
    restored[2, 4] += [0, 8]
    scores = landmark_error(restored, face(), hole((20, 20), (20, 30)), EYES)
    assert scores["landmark_error_hole"] == pytest.approx((4 / 2 + 8 / 2) / 2 / 20)


def test_the_size_of_the_picture_does_not_matter() -> None:
    restored = face()
    restored[:, 4] += [3, 1]
    mask = hole((20, 20))
    small = landmark_error(restored, face(), mask, EYES)
    large = landmark_error(2 * restored, 2 * face(), mask.repeat(2, 1).repeat(2, 2), EYES)
    assert small == large


def test_a_face_that_is_not_found_is_counted() -> None:
    restored = face(4)
    restored[1] = np.nan
    restored[2, 4] += [2, 0]
    restored[3] = np.nan
    scores = landmark_error(restored, face(4), hole((20, 20), frames=4), EYES)
    assert scores["landmark_found"] == pytest.approx(1 / 3)
    assert scores["landmark_error_hole"] == pytest.approx(2 / 20)
    assert scores["landmark_frames"] == 3

    scores = landmark_error(np.full_like(face(), np.nan), face(), hole((20, 20)), EYES)
    assert scores["landmark_found"] == 0 and math.isnan(scores["landmark_error_hole"])


def test_a_clean_face_that_is_not_found_is_counted_apart() -> None:
    clean = face()
    clean[1] = np.nan
    scores = landmark_error(face(), clean, hole((20, 20)), EYES)
    assert (scores["landmark_frames"], scores["landmark_frames_unknown"]) == (1, 1)
    assert scores["landmark_found"] == 1


@pytest.mark.parametrize("points", [(), ((2, 2),)], ids=["no hole", "a hole beside the face"])
def test_nothing_of_the_face_is_hidden(points: tuple[tuple[int, int], ...]) -> None:
    scores = landmark_error(face(), face(), hole(*points), EYES)
    assert math.isnan(scores["landmark_error_hole"]) and math.isnan(scores["landmark_found"])
    assert scores["landmark_frames"] == 0


def test_landmarks_outside_the_frame_are_not_in_a_hole() -> None:
    clean = face()
    clean[:, 4] = [-1, 20]
    clean[:, 5] = [20, 40]
    mask = np.ones((3, 40, 40), np.uint8)
    restored = clean.copy()
    restored[:, 4:] += 100
    assert landmark_error(restored, clean, mask, EYES)["landmark_error_hole"] == 0


def test_bad_arguments_are_named() -> None:
    partly = face()
    partly[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"restored: expected all landmarks .* in frame 2"):
        landmark_error(partly, face(), hole(), EYES)
    with pytest.raises(ValueError, match=r"restored and clean .*\(4, 6, 2\) and \(3, 6, 2\)"):
        landmark_error(face(4), face(), hole(), EYES)
    with pytest.raises(
        ValueError, match=r"mask: expected shape \(3, any, any\), got \(4, 40, 40\)"
    ):
        landmark_error(face(), face(), hole(frames=4), EYES)
