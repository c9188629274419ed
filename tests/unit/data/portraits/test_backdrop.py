"""Another wall behind a person: found where it is plain, and nothing else is touched."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.portraits import drawn_still

from diffmvr.data.portraits.anatomy import OVAL
from diffmvr.data.portraits.backdrop import DARKEST, LIGHTEST, draw_backdrop, find_backdrop, hang
from diffmvr.data.portraits.camera import plain_camera
from diffmvr.data.portraits.clip import film
from diffmvr.data.portraits.motion import still
from diffmvr.data.portraits.portrait import Portrait, Still

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def before_a_wall(smile: float) -> Still:
    """A drawn face with brown hair before a light wall that darkens to one side."""
    drawn = drawn_still(smile=smile)
    side = len(drawn.image)
    y, x = np.mgrid[:side, :side]
    wall = 225 - 0.15 * x[..., None] - np.array([0.0, 1.0, 3.0])
    outline = drawn.points[list(OVAL)]
    centre, radius = outline.mean(axis=0), 1.35 * np.ptp(outline, axis=0) / 2
    away = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2
    inner = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 < 0.5
    hair = np.where(inner[..., None], drawn.image, np.array([70, 50, 40]))
    image = np.where((away > 1)[..., None], wall, hair)
    return replace(drawn, image=np.rint(image).astype(np.uint8))


def test_a_plain_wall_is_found_and_the_person_is_not_it() -> None:
    person = before_a_wall(0.0)
    alpha = find_backdrop(person.image, person.points)
    assert alpha is not None
    assert alpha[:20].min() == 255 and alpha[:60, :8].min() == 255
    x, y = np.rint(person.points[:468]).astype(int).T
    assert alpha[y, x].max() == 0


def test_a_wall_that_is_not_plain_is_left_alone() -> None:
    person = drawn_still()
    assert find_backdrop(person.image, person.points) is None
    portrait = Portrait(person, drawn_still(smile=1.0))
    camera = plain_camera(1, np.array([[0.2, 0.0, 0.5], [0.0, 0.2, 0.45]]))
    dark = np.full((192, 192, 3), 0.5, np.float32)
    as_it_is, _ = film(portrait, still(1), camera, 64)
    np.testing.assert_array_equal(film(portrait, still(1), camera, 64, dark)[0], as_it_is)


def test_another_wall_darkens_what_is_behind_and_leaves_the_face() -> None:
    portrait = Portrait(before_a_wall(0.0), before_a_wall(1.0))
    camera = plain_camera(1, np.array([[0.21, 0.0, 0.5], [0.0, 0.21, 0.45]]))
    before, landmarks = film(portrait, still(1), camera, 64)
    after, _ = film(portrait, still(1), camera, 64, np.full((192, 192, 3), 0.5, np.float32))
    np.testing.assert_allclose(after[0, :6], 0.5 * before[0, :6], atol=1)
    x, y = np.rint(landmarks[0, :468]).astype(int).T
    np.testing.assert_allclose(after[0, y, x], before[0, y, x], atol=1)


def test_walls_differ_are_in_range_and_the_same_at_every_size() -> None:
    for seed in range(12):
        small, large = (draw_backdrop(np.random.default_rng(seed), size) for size in (64, 256))
        assert large.min() > 0.9 * DARKEST and large.max() < 1.1 * LIGHTEST
        assert np.abs(small - large[2::4, 2::4]).mean() < 0.03
    assert np.abs(small - draw_backdrop(np.random.default_rng(0), 64)).mean() > 0.01


def test_a_wall_moves_with_the_camera_and_only_where_it_shows() -> None:
    scene = np.full((8, 8, 4), 200, np.float32)
    scene[4:, :, 3], scene[:4, :, 3] = 0, 255
    wall = np.ones((8, 8, 3), np.float32)
    wall[:, 2] = 0.5
    moved = IDENTITY + np.array([[0, 0, 3.0], [0, 0, 0]])
    hung = hang(scene, wall, moved)
    assert hung[0, 5, 0] == pytest.approx(100) and hung[0, 2, 0] == pytest.approx(200)
    assert (hung[4:] == 200).all()
