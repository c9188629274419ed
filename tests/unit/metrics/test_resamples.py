"""Resamples of subjects are the same for everybody, and never of one subject alone."""

import numpy as np
import pytest

from diffmvr.metrics.resamples import resampled_subjects


def test_draws_have_the_right_size_and_never_one_subject_alone() -> None:
    names = ["a", "b"]
    draws = [resampled_subjects(k, names) for k in range(20)]
    assert all(draw.sum() == 2 and (draw > 0).sum() == 2 for draw in draws)
    many = [str(i) for i in range(50)]
    assert not np.array_equal(resampled_subjects(0, many), resampled_subjects(1, many))
    np.testing.assert_array_equal(resampled_subjects(7, many), resampled_subjects(7, many))
    with pytest.raises(ValueError, match="subjects: expected at least 2 to draw from, got 1"):
        resampled_subjects(0, ["a"])
