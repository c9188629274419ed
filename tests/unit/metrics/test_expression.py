"""Comparing what two sets of frames say."""

import math

import numpy as np
import pytest

from diffmvr.metrics.expression import expression_error, state_agreement

RANGES = [(-1, 1), (0, 1)]


def test_the_same_reading_is_no_error() -> None:
    reading = np.random.default_rng(0).random((5, 2))
    assert expression_error(reading, reading, RANGES).tolist() == [0, 0]


def test_every_expression_counts_in_its_own_range() -> None:
    clean = np.array([[-1.0, 0.0], [-1.0, 0.0]])
    restored = np.array([[1.0, 0.5], [0.0, 0.0]])
    np.testing.assert_allclose(expression_error(restored, clean, RANGES), [0.75, 0.25])
    np.testing.assert_allclose(expression_error(clean, restored, RANGES), [0.75, 0.25])


def test_agreement_is_a_share_of_frames() -> None:
    assert state_agreement([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75
    assert state_agreement([0, 1], [1, 0]) == 0.0


def test_without_frames_there_is_nothing_to_score() -> None:
    assert np.isnan(expression_error(np.empty((0, 2)), np.empty((0, 2)), RANGES)).all()
    assert math.isnan(state_agreement([], []))


def test_bad_arguments_are_named() -> None:
    zeros = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"restored and clean must have the same shape.*\(4, 2\)"):
        expression_error(np.zeros((4, 2)), zeros, RANGES)
    with pytest.raises(ValueError, match=r"ranges: expected shape \(2, 2\), got \(1, 2\)"):
        expression_error(zeros, zeros, RANGES[:1])
    with pytest.raises(ValueError, match=r"ranges: expected a low below a high.*\[1\.0, 1\.0\]"):
        expression_error(zeros, zeros, [(0, 1), (1, 1)])
    with pytest.raises(ValueError, match=r"restored and clean .* \(2,\) and \(3,\)"):
        state_agreement([0, 1], [0, 1, 2])
