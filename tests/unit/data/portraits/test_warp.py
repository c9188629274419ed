"""Painting a mesh: exact where nothing moves, affine in a triangle, the last one on top."""

import numpy as np
import pytest

from diffmvr.data.portraits.warp import CAVITY, affine_functions, paint_triangles, warp

SQUARE = np.array([(-1.0, -1.0), (16.0, -1.0), (16.0, 16.0), (-1.0, 16.0)])
HALVES = np.array([(0, 1, 2), (0, 2, 3)])
ONES, ZEROS = np.ones(4), np.zeros(4)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_functions_take_their_vertices_values() -> None:
    rng = np.random.default_rng(1)
    shape, values = rng.normal(size=(6, 2)), rng.normal(size=(6, 4))
    triangles = np.array([(0, 1, 2), (3, 4, 5), (0, 0, 1)])
    functions = affine_functions(shape, triangles, values)
    for function, numbers in zip(functions[:2], triangles[:2], strict=True):
        at = np.column_stack([shape[numbers], np.ones(3)]) @ function
        np.testing.assert_allclose(at, values[numbers], atol=1e-5)
    # One without an area has no slope.
    np.testing.assert_allclose(functions[2][:2], 0)


def test_a_mesh_in_its_own_place_gives_the_picture_back() -> None:
    image = picture()
    sources = np.stack([SQUARE, SQUARE])
    made = warp((image, picture(1)), SQUARE, HALVES, sources, ZEROS, ONES, 16)
    np.testing.assert_array_equal(made, image)


def test_the_second_picture_shows_as_far_as_it_is_blended() -> None:
    images = (picture(), picture(1))
    sources = np.stack([SQUARE, SQUARE])
    made = warp(images, SQUARE, HALVES, sources, 0.25 * ONES, ONES, 16)
    expected = 0.75 * images[0].astype(float) + 0.25 * images[1]
    np.testing.assert_allclose(made, expected, atol=1e-3)
    dark = warp(images, SQUARE, HALVES, sources, ZEROS, 0.5 * ONES, 16)
    np.testing.assert_allclose(dark, 0.5 * images[0], atol=1e-3)


def test_a_shifted_mesh_shifts_the_picture() -> None:
    image = picture()
    sources = np.stack([SQUARE, SQUARE])
    made = warp((image, image), SQUARE + np.array([3.0, 0.0]), HALVES, sources, ZEROS, ONES, 16)
    np.testing.assert_array_equal(made[:, 3:], image[:, :13])


def test_later_triangles_cover_earlier_ones_and_gaps_are_dark() -> None:
    small = np.array([(2.0, 2.0), (9.0, 2.0), (2.0, 9.0)])
    shape = np.concatenate([small, small])
    numbers = paint_triangles(shape, np.array([(0, 1, 2), (3, 4, 5)]), 12)
    assert set(np.unique(numbers)) == {-1, 1}
    sources = np.stack([shape, shape])
    made = warp(
        (picture(),) * 2, shape, np.array([(0, 1, 2)]), sources, np.zeros(6), np.ones(6), 12
    )
    assert made[11, 11] == pytest.approx(CAVITY)
