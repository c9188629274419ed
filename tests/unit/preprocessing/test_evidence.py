"""How far references explain what is visible, and how far they disagree."""

import numpy as np
import pytest
from tests.helpers.doubt import sight

SIZE = (24, 20)


def test_the_deviation_is_that_of_two_equal_witnesses() -> None:
    evidence = sight(7.0).evidence
    np.testing.assert_allclose(evidence.deviation, 7.0)
    np.testing.assert_allclose(evidence.mixture[0], 100)
    assert evidence.mixture[1].all()


def test_what_is_missed_is_counted_where_it_is_visible_alone() -> None:
    one = sight().evidence
    one.image[:] = 110
    # Whatever the hidden pixels hold is not looked at.
    one.image[one.mask != 0] = 255
    np.testing.assert_array_equal(one.missed, np.where(one.mask == 0, 10, 0))
    assert one.missed_near_hole == pytest.approx(10)
    np.testing.assert_allclose(one.missed_around, 10, atol=1e-3)


def test_a_miss_is_told_around_where_it_is() -> None:
    one = sight().evidence
    one.image[:, 16:] = 160
    around = one.missed_around
    assert around[12, 13] > around[12, 6] > 0
    assert 0 < one.missed_near_hole < 60


def test_where_nothing_is_visible_nothing_is_missed() -> None:
    one = sight().evidence
    one.mask[:] = 1
    assert one.missed_near_hole == 0
    np.testing.assert_array_equal(one.missed_around, 0)
