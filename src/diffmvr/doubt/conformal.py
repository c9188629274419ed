"""Quantiles over people, for a person who had no part in finding them.

Pixels and frames of one person are alike, so that they count as one witness: *people* are
exchangeable, pixels are not.  With K people, person k having scores s_k1 … s_kn, the threshold is
the 1 − α quantile of the mean of the people's distributions,

    1/K · Σ_k 1/n · Σ_i δ(s_ki)

("pooling CDFs": Dunn, Wasserman and Ramdas, "Distribution-free prediction sets for two-layer
hierarchical models", JASA 2023).

**What it promises.** If a new person is exchangeable with the K, a pixel drawn of that person has a
score up to the threshold with a probability of at least (1 − α) · K / (K + 1), whatever the
distribution of the errors is, and of 1 − α as K grows: that is the mean over new people of the
share of their pixels that are covered.  Asked for (1 − α) · (K + 1) / K instead, the same quantile
promises 1 − α for any K (``guaranteed_quantile``; Lee, Barber and Willett, "Distribution-free
inference with hierarchical data", 2023, theorem 1; with one score a person it is split conformal:
Vovk, Gammerman and Shafer 2005; Lei et al., "Distribution-free predictive inference for
regression", JASA 2018).  With few people that is much wider than needed.  The plain quantile over
all pixels promises nothing of the kind: it takes n pixels of K people for n · K witnesses.

**What breaks it.** It is a mean over people, so that one person may be covered less, and so may a
part of a face or a time.  It fails for people, cameras, occluders and movements unlike those of the
calibration (a shift of the covariates alone could be weighed for, with a known ratio of densities:
Tibshirani et al., "Conformal prediction under covariate shift", NeurIPS 2019; here that ratio is
not known); and where what hides a face changes what it does, since the truth of the calibration is
of faces that nothing touched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number
from diffmvr.structures import FloatArray

Scores = Sequence[NDArray[np.floating]]
"""Of each person, the scores of some of their pixels or frames."""


def largest_level(people: int) -> float:
    """Return the largest share that so many people can promise, K / (K + 1)."""
    return people / (people + 1)


def grouped_quantile(scores: Scores, level: float) -> float:
    """Return the threshold up to which scores lie with a probability, on the mean over people.

    Args:
        scores: of each person, one or more.
        level: 1 − α, in [0, 1].
    """
    check_number("level", level, 0.0, 1.0)
    values, masses = pooled(scores)
    # A tolerance for sums that are the level but for rounding.
    reached = np.cumsum(masses) >= level - 1e-9
    return float(values[int(np.argmax(reached))])


def guaranteed_quantile(scores: Scores, level: float) -> float:
    """Return the threshold under which a new person's scores lie with a promised probability.

    Args:
        scores: of each person, one or more.
        level: 1 − α, in [0, 1].

    Raises:
        ValueError: if the people are too few for that level.
    """
    most = largest_level(len(scores))
    if level > most:
        raise ValueError(
            f"level: {len(scores)} people can promise {most:.3f} at most, got {level}; calibrate "
            "on more people or promise less"
        )
    return grouped_quantile(scores, min(level / most, 1.0))


def pooled_quantile(scores: Scores, level: float) -> float:
    """Return the plain quantile over all scores, as if each were a witness of its own."""
    return float(np.quantile(np.concatenate([np.asarray(one) for one in scores]), level))


def coverage(scores: Scores, threshold: float) -> FloatArray:
    """Return ``[K]``, the share of each person's scores up to a threshold."""
    return np.array([float((np.asarray(one) <= threshold).mean()) for one in scores])


def pooled(scores: Scores) -> tuple[FloatArray, FloatArray]:
    """Return all scores in order, and the mass of each: every person has the same in all.

    Raises:
        ValueError: if a person has none, or one that is no number.
    """
    for place, one in enumerate(scores):
        if not len(one) or not np.isfinite(one).all():
            raise ValueError(
                f"scores: expected numbers of each person, got {len(one)} of person {place}, of "
                f"which {int((~np.isfinite(one)).sum())} are none"
            )
    values = np.concatenate([np.asarray(one, np.float64) for one in scores])
    masses = np.concatenate([np.full(len(one), 1 / len(one)) for one in scores]) / len(scores)
    order = np.argsort(values, kind="stable")
    return values[order], masses[order]
