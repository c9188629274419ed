"""What fills a hole meets what is visible around it."""

import numpy as np

from diffmvr.preprocessing.rim import LARGEST_STEP, rim_difference

SIDE = 96
MASK = np.zeros((SIDE, SIDE), np.uint8)
MASK[30:70, 30:70] = 1
KNOWN = np.ones_like(MASK, bool)


def difference(image: np.ndarray, shown: float = 100, known: np.ndarray = KNOWN) -> np.ndarray:
    return rim_difference(np.full((SIDE, SIDE, 3), shown, np.float32), known, image, MASK)


def test_a_step_at_the_rim_is_taken_and_dies_out_inside() -> None:
    found = difference(np.full((SIDE, SIDE, 3), 120, np.uint8))
    assert (found[30, 40:60] > 12).all() and (found <= 20.5).all()
    assert found[50, 50].max() < 1


def test_hidden_pixels_and_unknown_ones_do_not_matter() -> None:
    image = np.full((SIDE, SIDE, 3), 120, np.uint8)
    spoilt = np.where(MASK[..., None] == 1, np.uint8(7), image)
    np.testing.assert_array_equal(difference(image), difference(spoilt))
    assert not difference(image, known=~KNOWN).any()


def test_another_thing_at_the_rim_is_not_spread_over_the_hole() -> None:
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    assert difference(image, shown=0).max() <= 1.01 * LARGEST_STEP
