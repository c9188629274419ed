import numpy as np
import pytest
import scipy.stats

from diffmvr.metrics.bootstrap import paired_bootstrap, paired_replicates


def scores(seed: int, effect: float, subjects: int = 30) -> tuple[np.ndarray, np.ndarray, list]:
    """Two clips a subject; a = b + effect + noise that both clips of a subject share in part."""
    generator = np.random.default_rng(seed)
    names = [f"s{index // 2}" for index in range(2 * subjects)]
    b = generator.normal(20, 3, 2 * subjects)
    noise = np.repeat(generator.normal(0, 1, subjects), 2) + generator.normal(0, 0.3, 2 * subjects)
    return b + effect + noise, b, names


def test_a_large_difference_is_found_in_either_direction() -> None:
    a, b, names = scores(0, effect=3.0)
    assert paired_bootstrap(a, b, names).verdict == "better"
    assert paired_bootstrap(b, a, names).verdict == "worse"
    assert paired_bootstrap(a, b, names, higher_is_better=False).verdict == "worse"
    assert paired_bootstrap(b, a, names, higher_is_better=False).verdict == "better"


def test_no_difference_is_a_tie() -> None:
    a, b, names = scores(3, effect=0.0)
    found = paired_bootstrap(a, b, names)
    assert found.low < 0 < found.high
    assert found.verdict == "tie"
    assert paired_bootstrap(b, b, names).verdict == "tie"


def test_a_constant_difference_has_no_width() -> None:
    _, b, names = scores(0, effect=0.0)
    found = paired_bootstrap(b + 0.5, b, names)
    np.testing.assert_allclose([found.low, found.mean_difference, found.high], 0.5)
    assert (found.n_subjects, found.n_clips) == (30, 60)


def test_the_interval_agrees_with_scipys_bootstrap() -> None:
    a, b, names = scores(1, effect=0.4)
    per_subject = (a - b).reshape(-1, 2).mean(axis=1)
    expected = scipy.stats.bootstrap(
        (per_subject,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    found = paired_bootstrap(a, b, names, resamples=20_000)
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.02)


def test_it_covers_the_true_difference_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        found = paired_bootstrap(*scores(seed, effect=1.0), resamples=500)
        covered += found.low <= 1.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_subjects_not_clips_are_resampled() -> None:
    a, b, names = scores(0, effect=0.3)
    by_clip = [f"clip{index}" for index in range(len(names))]
    width = {
        key: found.high - found.low
        for key, found in {
            "subject": paired_bootstrap(a, b, names),
            "clip": paired_bootstrap(a, b, by_clip),
        }.items()
    }
    assert width["subject"] > 1.2 * width["clip"]


def test_the_mean_is_over_clips_when_subjects_have_unequal_numbers() -> None:
    found = paired_bootstrap([1.0, 1.0, 1.0, 5.0], np.zeros(4), ["a", "a", "a", "b"])
    assert found.mean_difference == 2.0
    assert (found.low, found.high) == (1.0, 5.0)


def test_a_seed_repeats_and_clips_without_a_score_are_left_out() -> None:
    a, b, names = scores(0, effect=0.2)
    a[5] = np.nan
    first, second = (paired_bootstrap(a, b, names, seed=4) for _ in range(2))
    assert first == second
    assert first.n_clips == 59


def test_one_subject_is_refused() -> None:
    with pytest.raises(ValueError, match=r"subjects: expected at least 2 .*got 1"):
        paired_bootstrap([1.0, 2.0], [0.0, 0.0], ["a", "a"])


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match=r"a and b must have the same shape, got \(2,\) and \(3,"):
        paired_bootstrap([1.0, 2.0], [0.0] * 3, ["a", "b"])
    with pytest.raises(ValueError, match=r"subjects and a must .*\(1,\) and \(2,"):
        paired_bootstrap([1.0, 2.0], [0.0] * 2, ["a"])


def test_paired_resamples_give_the_interval_of_their_difference() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(5.0, 3.0, 4000)
    a, b = 2.0 + shared, 1.0 + shared + rng.normal(0.0, 0.1, 4000)
    found = paired_replicates(2.0, 1.0, a, b, n_subjects=9, n_clips=18)
    assert found.mean_difference == 1.0 and found.verdict == "worse"
    # What both share, the spread of 3 and the bias of 5, is gone: 1.96 × 0.1 is left.
    assert found.high - 1.0 == pytest.approx(0.196, rel=0.05)
    assert 1.0 - found.low == pytest.approx(found.high - 1.0)
    assert (found.n_subjects, found.n_clips) == (9, 18)
    higher = paired_replicates(2.0, 1.0, a, b, n_subjects=9, n_clips=18, higher_is_better=True)
    assert higher.verdict == "better"
    same = paired_replicates(1.0, 1.01, b, b[::-1], n_subjects=9, n_clips=18)
    assert same.verdict == "tie"


def test_resamples_must_be_paired() -> None:
    with pytest.raises(ValueError, match=r"replicates_a and replicates_b .*\(3,\) and \(2,\)"):
        paired_replicates(1.0, 2.0, [1.0, 2.0, 3.0], [1.0, 2.0], n_subjects=2, n_clips=2)
    with pytest.raises(ValueError, match=r"replicates_a: expected at least 2 resamples"):
        paired_replicates(1.0, 2.0, [1.0], [1.0], n_subjects=2, n_clips=2)
