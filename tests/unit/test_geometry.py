"""Maps agree with the points they move, and boxes with the pixels they hold."""

import cv2
import numpy as np
import pytest
from tests.unit.preprocessing.test_alignment import similarity

from diffmvr.geometry import (
    boxes_mask,
    compose,
    distance_inside,
    invert,
    move_points,
    scale_track,
    scaling,
    zoom_of,
)
from diffmvr.structures import FaceTrack


def test_compose_and_invert_agree_with_points():
    outer, inner = similarity(1.3, 20, 4, -2), similarity(0.8, -35, 1, 9)
    point = np.array([3.0, 7.0])
    there = inner[:, :2] @ point + inner[:, 2]
    there = outer[:, :2] @ there + outer[:, 2]
    both = compose(outer, inner)
    np.testing.assert_allclose(both[:, :2] @ point + both[:, 2], there)
    np.testing.assert_allclose(compose(invert(outer), outer), np.eye(2, 3), atol=1e-12)


def test_invert_needs_an_invertible_map():
    with pytest.raises(ValueError, match=r"matrix: expected an invertible map, .*\[\[0.0, 0.0\]"):
        invert(np.zeros((2, 3)))


def test_many_maps_are_composed_at_once():
    outer = similarity(1.3, 20, 4, -2)
    inner = np.stack([similarity(0.8, -35, 1, 9), similarity(2, 5, 0, 0)])
    each = [compose(outer, matrix) for matrix in inner]
    np.testing.assert_allclose(compose(outer, inner), each)


def test_scaling_keeps_the_pictures_edges():
    edges = np.array([[-0.5, -0.5], [7.5, 5.5]])
    np.testing.assert_allclose(move_points(scaling(3), edges), [[-0.5, -0.5], [23.5, 17.5]])
    np.testing.assert_allclose(move_points(scaling(3, 2), edges), [[-0.5, -0.5], [23.5, 11.5]])


def test_scaling_moves_as_area_resampling_does():
    picture = np.zeros((8, 8), np.float32)
    picture[2:4, 4:6] = 1
    small = cv2.resize(picture, (4, 4), interpolation=cv2.INTER_AREA)
    (x, y) = move_points(scaling(0.5), np.array([4.5, 2.5]))
    assert small[round(y), round(x)] == 1 and (x, y) == (2, 1)


def test_the_zoom_of_a_map_is_its_scale_whatever_its_angle():
    assert zoom_of(similarity(1.7, 63, 4, -2)) == pytest.approx(1.7)


def test_a_track_is_scaled_as_its_points_are():
    track = FaceTrack(
        face_box=np.array([[10.0, 20, 30, 60]]),
        midline=np.array([[20.0, 25, 0, 1]]),
        similarity=similarity(9, 10, 20, 30)[None],
        axis_source=("truth",),
        crop=similarity(0.5, 0, 3, 4)[None],
    )
    half, point = scale_track(track, 0.5), np.array([0.3, -0.7])
    np.testing.assert_allclose(half.face_box, [[4.75, 9.75, 14.75, 29.75]])
    np.testing.assert_allclose(half.midline, [[9.75, 12.25, 0, 1]])
    for name in ("similarity", "crop"):
        before, after = (move_points(getattr(one, name)[0], point) for one in (track, half))
        np.testing.assert_allclose(after, before / 2 - 0.25)


def test_a_box_covers_the_pixels_whose_centre_it_holds() -> None:
    mask = boxes_mask(np.array([[1.2, 0.0, 3.0, 1.9], [-9, -9, -5, -5]]), (4, 6))

    assert np.argwhere(mask).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


@pytest.mark.filterwarnings("error")
def test_where_nothing_is_outside_every_distance_is_infinite():
    assert np.isposinf(distance_inside(np.ones((3, 4), bool))).all()
    np.testing.assert_array_equal(distance_inside(np.array([[0, 1, 1]], bool)), [[0, 1, 2]])
