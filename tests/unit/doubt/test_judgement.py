"""A map of doubt is kept and laid over its frame."""

import numpy as np
import pytest

from diffmvr.doubt.judgement import DoubtMap

HALF = np.array([[1.0, 0.0, -3.0], [0.0, 0.5, 2.0]])


def test_a_map_is_unpacked_as_it_was_packed() -> None:
    width = np.random.default_rng(0).uniform(0, 140, (13, 9))
    there = DoubtMap.of(width, HALF)
    back = DoubtMap.from_bytes(there.to_bytes())
    np.testing.assert_array_equal(back.steps, there.steps)
    np.testing.assert_array_equal(back.matrix, HALF)
    # Rounded up, so that nothing is said to be surer than it is; up to 127.5.
    assert (back.steps / 2 >= np.minimum(width, 127.5)).all()
    assert (back.steps / 2 <= width + 0.5).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:40],
        lambda data: data[:-3],
        lambda data: data[:48] + np.array([1e9, 3]).tobytes() + data[64:],
        lambda data: data[:48] + np.array([5.0, 3.0]).tobytes() + data[64:],
        lambda data: np.full(8, np.nan).tobytes() + data[64:],
    ],
)
def test_a_damaged_map_is_refused(damage) -> None:
    data = DoubtMap.of(np.full((4, 3), 7.0), HALF).to_bytes()
    with pytest.raises(ValueError, match="a map of doubt"):
        DoubtMap.from_bytes(damage(data))


def test_a_map_lies_where_its_matrix_says() -> None:
    width = np.zeros((10, 10))
    width[4, 2] = 9
    laid = DoubtMap.of(width, HALF).in_frame((30, 20))
    # x − 3 = 2 and y / 2 + 2 = 4.
    assert np.unravel_index(laid.argmax(), laid.shape) == (4, 5)
    assert laid[4, 5] == 9
