"""A mesh of two drawn pictures: what it gives back, and what its lids, lips and head do."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.helpers.portraits import SIDE, UNIT, drawn_still

from diffmvr.data.portraits.anatomy import LIDS, LOWER_LIP, OVAL, UPPER_LIP, depth, head_share
from diffmvr.data.portraits.camera import plain_camera
from diffmvr.data.portraits.clip import film
from diffmvr.data.portraits.motion import still
from diffmvr.data.portraits.portrait import Portrait, Still
from diffmvr.data.portraits.warp import warp
from diffmvr.geometry import move_points, scaling


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait(drawn_still(smile=0.0), drawn_still(smile=1.0))


def aperture(shape: np.ndarray) -> float:
    """Largest gap between the lids, in distances between the eyes."""
    return max(float((shape[list(d), 1] - shape[list(u), 1]).max()) for u, d in LIDS)


def test_no_expression_and_no_motion_give_the_picture_back(portrait: Portrait) -> None:
    motion = still(1)
    shape = move_points(portrait.to_pixels, portrait.shapes(motion)[0])
    triangles, light = portrait.mesh.triangles, portrait.shade(0.0)
    blend = portrait.blend(motion, 0)
    side = len(portrait.images[0])
    made = warp(portrait.images, shape, triangles, portrait.sources_at(0.0), blend, light, side)
    difference = np.abs(made - portrait.images[0])
    # Behind the lips lies the second picture: between closed ones a line of it may show.
    assert np.percentile(difference, 99.5) <= 1
    assert (difference.max(axis=2) > 1).sum() < 0.6 * UNIT


@pytest.mark.parametrize("turns", [0.1, 0.6, 1.0])
def test_a_head_that_lies_on_its_side_is_put_upright(turns: float) -> None:
    angle, middle = turns * np.pi / 2, 0.5 * (SIDE - 1)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    matrix[:, 2] = middle - matrix[:, :2] @ [middle, middle]
    pair = [
        Still(cv2.warpAffine(one.image, matrix, (SIDE, SIDE)), move_points(matrix, one.points))
        for one in (drawn_still(smile=0.0), drawn_still(smile=1.0))
    ]
    tilted = Portrait(pair[0], pair[1])
    low, high = tilted.extent
    assert (high - low > 2).all()
    camera = plain_camera(1, np.array([[0.25, 0.0, 0.5], [0.0, 0.25, 0.4]]))
    scenes, landmarks = film(tilted, still(1), camera, 64)
    left, right = landmarks[0, [33, 133]].mean(axis=0), landmarks[0, [362, 263]].mean(axis=0)
    np.testing.assert_allclose(right - left, [0.25 * 64, 0], atol=0.01)
    x, y = np.rint(left).astype(int)
    assert scenes[0, y, x].min() > 190


def test_a_whole_smile_has_the_second_pictures_shape_and_mouth(portrait: Portrait) -> None:
    smile, second = portrait.shapes(still(1, smile=1.0))[0], drawn_still(smile=1.0)
    lips = [number for rows in (UPPER_LIP, LOWER_LIP) for row in rows for number in row]
    made = move_points(portrait.to_pixels, smile)
    assert np.abs(made[lips] - second.points[lips]).max() < 0.03 * UNIT
    assert portrait.blend(still(1, smile=1.0), 0)[lips].min() > 0.99
    # Hair and shoulders stay the first picture's.
    assert portrait.blend(still(1, smile=1.0), 0)[list(OVAL)].max() < 1e-6


def test_the_two_pictures_may_be_of_different_sizes(portrait: Portrait) -> None:
    second = drawn_still(smile=1.0)
    small = cv2.resize(second.image[:-10], (120, 100), interpolation=cv2.INTER_AREA)
    zoom = scaling(120 / SIDE, 100 / (SIDE - 10))
    mixed = Portrait(drawn_still(smile=0.0), Still(small, move_points(zoom, second.points)))
    both = [one.shapes(still(1, smile=1.0))[0][:478] for one in (portrait, mixed)]
    # Its sides are not quite in proportion.
    assert np.abs(both[0] - both[1]).max() < 0.15
    assert mixed.images[0].shape[:2] == (SIDE, SIDE)


def test_half_a_smile_is_between(portrait: Portrait) -> None:
    none, half, whole = (portrait.shapes(still(1, smile=s))[0][:478] for s in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, 0.5 * (none + whole), atol=1e-9)


def test_a_smile_of_one_side_moves_that_side_more(portrait: Portrait) -> None:
    rest = portrait.shapes(still(1))[0]
    left_only = replace(still(1), smile=np.array([[1.0, 0.0]]))
    moved = np.linalg.norm(portrait.shapes(left_only)[0] - rest, axis=1)
    assert moved[61] > 10 * moved[291] and rest[61, 0] < rest[291, 0]


def test_a_blink_closes_the_eyes_and_moves_nothing_below_the_nose(portrait: Portrait) -> None:
    rest = portrait.shapes(still(1))[0]
    shut = portrait.shapes(replace(still(1), blink=np.ones(1)))[0]
    assert aperture(shut[:478]) < 0.2 * aperture(rest[:478])
    assert (shut[: len(rest)] == rest)[rest[:, 1] > 0.8].all()
    for upper, lower in LIDS:
        assert (shut[list(upper), 1] <= shut[list(lower), 1] + 1e-9).all()


def test_what_lies_behind_the_lids_is_not_squashed_with_them(portrait: Portrait) -> None:
    behind = slice(478 + len(portrait.mesh.around), None)
    rest = portrait.shapes(still(1))[0][behind]
    shut = portrait.shapes(replace(still(1), blink=np.ones(1)))[0][behind]
    np.testing.assert_array_equal(shut, rest)


def test_the_jaw_takes_the_lower_lip_along_and_leaves_the_teeth(portrait: Portrait) -> None:
    rest = portrait.shapes(still(1, smile=1.0))[0]
    opened = portrait.shapes(replace(still(1, smile=1.0), jaw=np.array([0.1])))[0]
    moved = opened[:, 1] - rest[:, 1]
    assert moved[17] == pytest.approx(0.1) and moved[152] > 0.08
    assert (
        not moved[list(UPPER_LIP[0])].any() and not moved[478 + len(portrait.mesh.around) :].any()
    )


def test_a_turned_head_shifts_by_its_depth_and_the_shoulders_stay(portrait: Portrait) -> None:
    rest = portrait.shapes(still(1))[0]
    turned = portrait.shapes(replace(still(1), turn=np.array([[0.1, 0.0, 0.0]])))[0]
    moved = turned[:, 0] - rest[:, 0]
    nose, cheek = depth(np.array([(0.0, 0.39), (1.0, 0.39)]))
    assert nose > cheek > 0
    shoulders = head_share(rest) == 0
    shoulders[:478] = False
    assert shoulders.any() and not moved[shoulders].any()
    assert moved[:468].min() > -0.01


def test_a_film_says_where_its_landmarks_are(portrait: Portrait) -> None:
    matrix = np.array([[0.2, 0.0, 0.5], [0.0, 0.2, 0.45]])
    scenes, landmarks = film(portrait, still(2), plain_camera(2, matrix), 64)
    assert scenes.shape == (2, 64, 64, 3) and landmarks.shape == (2, 478, 2)
    eyes = landmarks[0, [33, 133, 362, 263]].reshape(2, 2, 2).mean(axis=1)
    np.testing.assert_allclose(eyes[1] - eyes[0], [0.2 * 64, 0], atol=1e-6)
    np.testing.assert_allclose(eyes.mean(axis=0), [31.5, 0.45 * 64 - 0.5], atol=1e-6)
    # White of the eye where the landmarks say.
    x, y = np.rint(eyes[0]).astype(int)
    assert scenes[0, y, x].min() > 200
