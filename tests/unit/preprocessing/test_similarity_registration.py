"""A part of a picture is found again where a known similarity has put it."""

import cv2
import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.geometry import move_points
from diffmvr.preprocessing import similarity_registration
from diffmvr.preprocessing.similarity_registration import SimilarityRegistration

SIDE = 160
IMAGE = smooth_texture(SIDE, SIDE, 4)
PART = np.zeros((SIDE, SIDE), bool)
PART[40:120, 45:115] = True
EVERYWHERE = np.ones((SIDE, SIDE), bool)
PLACES = np.argwhere(PART)[::97, ::-1].astype(np.float64)
STILL = np.eye(2, 3)


def similarity(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    """Turn and scale about the picture's middle, and shift."""
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), np.rad2deg(angle), scale)
    return matrix + np.array([[0, 0, x], [0, 0, y]])


def moved(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    options = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT}
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), **options)


def error(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.abs(move_points(found, PLACES) - move_points(true, PLACES)).max())


@pytest.mark.parametrize("true", [(1.0, 0.0, 3.4, -2.2), (1.05, 0.06, -4.0, 2.0)])
def test_a_known_motion_is_found(true: tuple[float, float, float, float]) -> None:
    match = SimilarityRegistration(IMAGE, PART).match(
        moved(IMAGE, similarity(*true)), EVERYWHERE, STILL
    )
    assert match is not None
    assert error(match.matrix, similarity(*true)) < 0.3
    assert match.correlation > 0.99


def test_what_is_hidden_does_not_matter_and_another_light_little() -> None:
    true = similarity(1.0, 0.03, 2.0, 1.5)
    visible, rng = EVERYWHERE.copy(), np.random.default_rng(0)
    visible[70:, 20:130] = False
    there = np.clip(moved(IMAGE, true) * 0.8 + 20, 0, 255).astype(np.uint8)
    other = np.where(visible[..., None], there, rng.integers(0, 256, there.shape, np.uint8))
    registration = SimilarityRegistration(IMAGE, PART)
    one, two = (registration.match(image, visible, STILL) for image in (there, other))

    assert one is not None and two is not None
    np.testing.assert_array_equal(one.matrix, two.matrix)
    assert error(one.matrix, true) < 0.5


def test_a_part_that_moves_by_itself_has_little_say() -> None:
    other = IMAGE.copy()
    other[90:120, 45:115] = moved(IMAGE, similarity(1, 0, 0, 6))[90:120, 45:115]
    match = SimilarityRegistration(IMAGE, PART).match(other, EVERYWHERE, STILL)

    assert match is not None
    assert error(match.matrix, STILL) < 0.5


def test_another_picture_correlates_little() -> None:
    match = SimilarityRegistration(IMAGE, PART).match(
        smooth_texture(SIDE, SIDE, 5), EVERYWHERE, STILL
    )
    assert match is None or match.correlation < 0.8


def test_nothing_is_found_where_nothing_is_seen() -> None:
    for part, visible in ((PART, ~EVERYWHERE), (~EVERYWHERE, EVERYWHERE)):
        assert SimilarityRegistration(IMAGE, part).match(IMAGE, visible, STILL) is None


def test_a_step_that_no_head_takes_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two further steps of the kind could fold the picture, which has no way back."""
    other = moved(IMAGE, similarity(1.05, 0.06, 0, 0))
    registration = SimilarityRegistration(IMAGE, PART)
    assert registration.match(other, EVERYWHERE, STILL) is not None
    monkeypatch.setattr(similarity_registration, "LARGEST_STEP", 1e-4)
    assert registration.match(other, EVERYWHERE, STILL) is None
