import cv2
import numpy as np
import pytest

from diffmvr.preprocessing.symmetry import (
    fit_midline,
    mirror_visible_half,
    reflection_matrix,
    smooth_midlines,
)
from diffmvr.preprocessing.visible import GREY

SIZE = 48


def oblique(angle_degrees: float, x: float = 23.3, y: float = 24.9) -> np.ndarray:
    """A midline, its direction turned from straight down."""
    angle = np.deg2rad(90 + angle_degrees)
    return np.array([x, y, np.cos(angle), np.sin(angle)])


def smooth_picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (SIZE, SIZE, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 5)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("angle", [-30.0, 0.0, 12.5])
def test_fit_recovers_a_line_with_noise_across_it(angle):
    line = oblique(angle)
    along = np.linspace(-20, 20, 28)
    across = np.tile([0.4, -0.4], 14)
    normal = np.array([-line[3], line[2]])
    points = line[:2] + along[:, None] * line[2:] + across[:, None] * normal
    fitted = fit_midline(points)
    np.testing.assert_allclose(fitted[2:], line[2:], atol=0.02)
    assert abs((fitted[:2] - line[:2]) @ normal) < 1e-9


def test_direction_follows_the_order_of_the_points():
    points = np.column_stack([np.zeros(5), np.arange(5.0)])
    np.testing.assert_allclose(fit_midline(points)[2:], [0, 1], atol=1e-12)
    np.testing.assert_allclose(fit_midline(points[::-1])[2:], [0, -1], atol=1e-12)


def test_points_of_weight_zero_do_not_count():
    points = np.array([[0.0, 0], [0, 1], [0, 2], [50, 3]])
    np.testing.assert_allclose(fit_midline(points, np.array([1, 1, 1, 0])), [0, 1, 0, 1], atol=1e-9)


@pytest.mark.parametrize(
    ("points", "weights", "message"),
    [
        (np.zeros((3, 3)), None, r"points: expected shape \(any, 2\), got \(3, 3\)"),
        (np.ones((3, 2)), None, r"points: expected at least 2 distinct points .* \[\[1.0, 1.0\]"),
        (np.eye(2), np.array([1.0, -2.0]), "weights: expected non-negative values, got -2"),
    ],
)
def test_fit_names_what_is_wrong(points, weights, message):
    with pytest.raises(ValueError, match=message):
        fit_midline(points, weights)


@pytest.mark.parametrize("angle", [-30.0, 0.0, 12.5])
def test_reflecting_twice_is_the_identity_and_fixes_the_line(angle):
    line = oblique(angle)
    matrix = reflection_matrix(line)
    points = np.random.default_rng(0).uniform(-50, 50, (20, 2))
    np.testing.assert_allclose(apply(matrix, apply(matrix, points)), points, atol=1e-9)
    on_line = line[:2] + np.linspace(-9, 9, 5)[:, None] * line[2:]
    np.testing.assert_allclose(apply(matrix, on_line), on_line, atol=1e-9)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(-1)


def test_reflection_needs_a_unit_direction():
    with pytest.raises(ValueError, match=r"midline: expected a unit direction, got \(0, 2\)"):
        reflection_matrix(np.array([1.0, 1.0, 0.0, 2.0]))


def test_mirror_about_a_vertical_line_is_a_flip():
    picture = smooth_picture()
    middle = np.array([(SIZE - 1) / 2, 3.0, 0.0, 1.0])
    mirrored, known = mirror_visible_half(picture, np.zeros((SIZE, SIZE), np.uint8), middle)
    np.testing.assert_array_equal(mirrored, picture[:, ::-1])
    assert known.all()


def test_a_symmetric_picture_equals_its_mirror():
    line = oblique(17.0)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    across = (x - line[0]) * -line[3] + (y - line[1]) * line[2]
    along = (x - line[0]) * line[2] + (y - line[1]) * line[3]
    value = 128 + 60 * np.cos(across / 6) + 50 * np.sin(along / 7)
    picture = np.repeat(value[..., None], 3, axis=2).round().astype(np.uint8)
    mirrored, known = mirror_visible_half(picture, np.zeros((SIZE, SIZE), np.uint8), line)
    assert known.mean() > 0.7
    difference = np.abs(mirrored.astype(int) - picture)[known]
    assert difference.max() <= 2


def test_mirroring_twice_gives_the_picture_back_inside():
    picture, line = smooth_picture(), oblique(-21.0)
    once, known_once = mirror_visible_half(picture, np.zeros((SIZE, SIZE), np.uint8), line)
    twice, known = mirror_visible_half(once, (~known_once).astype(np.uint8), line)
    assert known.mean() > 0.6
    assert np.abs(twice.astype(int) - picture)[known].max() <= 4


def test_hidden_on_both_sides_and_outside_stay_grey():
    picture = np.full((SIZE, SIZE, 3), 200, np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[10:20, :] = 1
    line = np.array([30.0, 0.0, 0.0, 1.0])
    mirrored, known = mirror_visible_half(picture, mask, line)
    assert (mirrored[10:20] == GREY).all()
    assert not known[10:20].any()
    # Column x mirrors to 60 − x, which lies outside for x < 13.
    assert (mirrored[30, :13] == GREY).all()
    assert known[30, 13:].all()
    assert (mirrored[30, 13:] == 200).all()


@pytest.mark.parametrize("angle", [0.0, 11.0, 37.0])
def test_nothing_of_the_occluder_leaks_into_the_mirror(angle):
    picture = smooth_picture()
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (30, 22), 9, 1, -1)
    black, white = picture.copy(), picture.copy()
    black[mask == 1], white[mask == 1] = 0, 255
    from_black, known_black = mirror_visible_half(black, mask, oblique(angle))
    from_white, known_white = mirror_visible_half(white, mask, oblique(angle))
    np.testing.assert_array_equal(from_black, from_white)
    np.testing.assert_array_equal(known_black, known_white)
    assert (from_black[~known_black] == GREY).all()


def test_smoothing_midlines_keeps_units_and_crosses_the_angle_seam():
    wobble = 4.0 * np.random.default_rng(0).normal(size=40)
    lines = np.stack([oblique(90 + angle) for angle in wobble])  # about ±180 degrees
    smooth = smooth_midlines(lines, sigma=2.0)
    np.testing.assert_allclose(np.hypot(smooth[:, 2], smooth[:, 3]), 1.0)
    assert smooth[:, 2].max() < -0.9
    assert smooth[8:-8, 3].std() < 0.6 * lines[8:-8, 3].std()
