"""Comparing what two sets of frames say."""

import math

import numpy as np
import pytest
import torch

from diffmvr.metrics.expression import (
    ExpressionError,
    StateAgreement,
    expression_error,
    state_agreement,
)

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


def test_metrics_average_over_frames_and_not_over_clips() -> None:
    rng = np.random.default_rng(1)
    clips = [rng.random((2, frames, 2)) for frames in (1, 0, 4)]
    error, agreement = ExpressionError(RANGES, ["mouth", "eyes"]), StateAgreement()
    for own, clean in map(torch.from_numpy, clips):
        error.update(own, clean)
        agreement.update(own.argmax(1), clean.argmax(1))

    own, clean = np.concatenate(clips, axis=1)
    expected = expression_error(own, clean, RANGES)
    found = error.compute()
    assert list(found) == ["expression_error", "expression_error_mouth", "expression_error_eyes"]
    np.testing.assert_allclose([float(v) for v in found.values()], [expected.mean(), *expected])
    assert float(agreement.compute()) == pytest.approx(
        state_agreement(own.argmax(1), clean.argmax(1))
    )
    assert int(agreement.counted) == 5


def test_metrics_without_frames_are_nan() -> None:
    error, agreement = ExpressionError(RANGES), StateAgreement()
    error.update(torch.empty(0, 2), torch.empty(0, 2))
    agreement.update(torch.empty(0), torch.empty(0))
    assert all(value.isnan() for value in error.compute().values())
    assert agreement.compute().isnan()


def test_metrics_name_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"names: expected 2, one for each range, got \['eyes'\]"):
        ExpressionError(RANGES, ["eyes"])
    with pytest.raises(ValueError, match=r"restored and clean .*\(3, 2\) and \(4, 2\)"):
        ExpressionError(RANGES).update(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"preds and target .*\(3,\) and \(4,\)"):
        StateAgreement().update(torch.zeros(3), torch.zeros(4))
