"""Is one restorer better than another, or was it luck of the subjects?

Clips of one person resemble each other, so persons are resampled, not clips (cluster bootstrap),
and both restorers are always compared on the same clips (paired).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from diffmvr.checks import check_number, check_same_shape, check_shape

Verdict = Literal["better", "worse", "tie"]


@dataclass(frozen=True)
class PairedComparison:
    """The difference a − b between two restorers' scores.

    Attributes:
        mean_difference: mean of a − b over clips, or of numbers of whole sets a − b itself.
        low: lower end of the interval.
        high: upper end of the interval.
        verdict: what that says of a; ``"tie"`` if the interval covers 0.
        n_subjects: number of subjects resampled.
        n_clips: number of clips on which both have a score.
    """

    mean_difference: float
    low: float
    high: float
    verdict: Verdict
    n_subjects: int
    n_clips: int


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    subjects: Sequence[str],
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedComparison:
    """Compare two restorers on the same clips, with a percentile interval over subjects.

    Args:
        a: ``[N]`` scores of the first restorer, one per clip.
        b: ``[N]`` scores of the second, on the same clips in the same order.
        subjects: N names of who each clip shows.
        higher_is_better: whether a larger score is a better one.
        level: probability that the interval is to cover.
        resamples: how often the subjects are drawn anew.
        seed: seeds the draws; the same input gives the same interval.

    Returns:
        The comparison.  A clip without a score (NaN) on either side is left out.

    Raises:
        ValueError: if lengths differ or fewer than two subjects remain.
    """
    check_number("level", level, 0.0, 1.0)
    scores_a, scores_b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    check_shape("a", scores_a, (None,))
    check_same_shape("a", scores_a, "b", scores_b)
    names = np.asarray(subjects, dtype=object)
    check_same_shape("subjects", names, "a", scores_a)
    difference = scores_a - scores_b
    scored = ~np.isnan(difference)
    difference, names = difference[scored], names[scored]
    persons, owner = np.unique(names.astype(str), return_inverse=True)
    if len(persons) < 2:
        raise ValueError(
            f"subjects: expected at least 2 with scores on both sides, got {len(persons)}; "
            "an interval over subjects needs more of them"
        )
    sums = np.bincount(owner, weights=difference).astype(np.float64)
    clips = np.bincount(owner).astype(np.float64)
    drawn = _drawn_subjects(len(persons), resamples, seed)
    means = (drawn @ sums) / (drawn @ clips)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return PairedComparison(
        mean_difference=float(difference.mean()),
        low=float(low),
        high=float(high),
        verdict=_verdict(low, high, higher_is_better),
        n_subjects=len(persons),
        n_clips=len(difference),
    )


def paired_replicates(
    a: float,
    b: float,
    replicates_a: ArrayLike,
    replicates_b: ArrayLike,
    *,
    n_subjects: int,
    n_clips: int,
    higher_is_better: bool = False,
    level: float = 0.95,
) -> PairedComparison:
    """Compare two numbers of whole sets, such as Fréchet distances, by their paired resamples.

    The interval is a − b ± z · (standard deviation of the resampled a − b).  Percentiles would not
    do: a resample has fewer distinct samples than the set, so every resampled Fréchet distance
    is larger than the set's own.

    Args:
        a: the first restorer's number.
        b: the second's.
        replicates_a: ``[K]``, the first number on K resamples of the subjects, K ≥ 2.
        replicates_b: ``[K]``, the second on the same resamples in the same order.
        n_subjects: number of subjects resampled, for the record.
        n_clips: number of clips, for the record.
        higher_is_better: whether a larger number is a better one.
        level: probability that the interval is to cover.

    Raises:
        ValueError: if the resamples are not paired, or there are fewer than two.
    """
    check_number("level", level, 0.0, 1.0)
    first, second = (np.asarray(r, dtype=np.float64) for r in (replicates_a, replicates_b))
    check_same_shape("replicates_a", first, "replicates_b", second)
    if first.ndim != 1 or len(first) < 2:
        raise ValueError(
            f"replicates_a: expected at least 2 resamples in a row, got shape {first.shape}"
        )
    reach = float(ndtri(0.5 + level / 2.0) * np.std(first - second, ddof=1))
    low, high = a - b - reach, a - b + reach
    return PairedComparison(
        mean_difference=a - b,
        low=low,
        high=high,
        verdict=_verdict(low, high, higher_is_better),
        n_subjects=n_subjects,
        n_clips=n_clips,
    )


@lru_cache(maxsize=4)
def _drawn_subjects(count: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Return ``[resamples, count]``, how often each subject is drawn: S of S is a multinomial.

    A report compares hundreds of pairs on the same subjects, so the last draws are kept.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1.0 / count), size=resamples)
    weights = drawn.astype(np.float64)
    weights.setflags(write=False)
    return weights


def _verdict(low: float, high: float, higher_is_better: bool) -> Verdict:
    if low <= 0.0 <= high:
        return "tie"
    return "better" if (low > 0.0) == higher_is_better else "worse"
