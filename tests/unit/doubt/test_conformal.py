"""Thresholds that hold for people who had no part in finding them."""

import numpy as np
import pytest

from diffmvr.doubt.conformal import (
    coverage,
    grouped_quantile,
    guaranteed_quantile,
    largest_level,
    pooled_quantile,
)


def people(count: int, rng: np.random.Generator, pixels: int = 60) -> list[np.ndarray]:
    """People whose errors differ in size from person to person: pixels of one are alike."""
    sizes = np.exp(rng.normal(0, 1.2, count))
    return [np.abs(rng.normal(0, size, pixels)) for size in sizes]


def test_one_value_a_person_gives_the_textbook_quantile() -> None:
    """Split conformal: of K values the ⌈(1 − α)(K + 1)⌉-th smallest."""
    values = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))
    assert guaranteed_quantile([np.array([v]) for v in values], 0.9) == 18
    assert guaranteed_quantile([np.array([v]) for v in values], 0.95) == 19
    assert guaranteed_quantile([np.array([v]) for v in values], 0.5) == 10


def test_people_count_alike_however_many_pixels_they_have() -> None:
    few, many = np.full(1, 1.0), np.full(1000, 5.0)
    scores = [few] * 9 + [many]
    assert grouped_quantile(scores, 0.8) == guaranteed_quantile(scores, 0.8) == 1.0
    assert pooled_quantile(scores, 0.8) == 5.0


def test_new_people_are_covered_as_promised_and_by_the_plain_quantile_less() -> None:
    """The promise is a mean over people and over calibrations."""
    rng = np.random.default_rng(1)
    found: dict[str, list[float]] = {"guaranteed": [], "grouped": [], "plain": []}
    for _ in range(400):
        calibration, new = people(10, rng), people(4, rng)
        for name, quantile in (
            ("guaranteed", guaranteed_quantile),
            ("grouped", grouped_quantile),
            ("plain", pooled_quantile),
        ):
            found[name].append(coverage(new, quantile(calibration, 0.9)).mean())
    mean = {name: np.mean(shares) for name, shares in found.items()}
    assert 0.9 <= mean["guaranteed"] <= 0.99
    # Without the care for few people: (1 − α) · K / (K + 1) at least.
    assert 0.9 * 10 / 11 <= mean["grouped"] <= mean["guaranteed"]
    assert mean["plain"] < 0.9 - 0.01


@pytest.mark.parametrize(("count", "level"), [(8, 0.9), (1, 0.51), (98, 0.99)])
def test_too_few_people_promise_less_and_say_so(count: int, level: float) -> None:
    scores = [np.ones(3)] * count
    with pytest.raises(ValueError, match=rf"level: {count} people can promise .* got {level}"):
        guaranteed_quantile(scores, level)
    assert largest_level(count) < level
    assert guaranteed_quantile([np.ones(3)] * (count + 1), level) == 1


def test_a_person_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scores: .* got 2 of person 1, of which 1 are none"):
        guaranteed_quantile([np.ones(2), np.array([1, np.nan])] * 9, 0.5)
