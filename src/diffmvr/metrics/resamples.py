"""Paired resamples of subjects, and Fréchet distances on each of them.

Legend: D features, N samples (frames or clips), S subjects.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffmvr.metrics.gaussians import Gaussian, frechet_distance_of_features


class ResampledTruth:
    """The truth of some clips and its resamples, made once for all restorers.

    Args:
        features: ``[N, D]`` of each clip.
        subjects: who each clip shows.
        replicates: number of resamples; none are made of one subject.
    """

    def __init__(
        self, features: Sequence[Tensor], subjects: Sequence[str], replicates: int
    ) -> None:
        self._truth = torch.cat(list(features))
        owner = np.repeat(np.asarray(subjects, dtype=object), [len(part) for part in features])
        persons = sorted(set(subjects))
        row_of = {person: index for index, person in enumerate(persons)}
        rows = np.asarray([row_of[person] for person in owner])
        self._weights = [
            torch.from_numpy(resampled_subjects(k, persons)[rows])
            for k in range(replicates if len(persons) > 1 else 0)
        ]
        self._resamples = [Gaussian.of_features(self._truth, w) for w in self._weights]

    def distances(self, features: Tensor) -> tuple[float, tuple[float, ...]]:
        """Return the distance of features ``[N, D]`` to the truth, and that on each resample."""
        value = float(frechet_distance_of_features(self._truth, features))
        resampled = (
            real.distance(Gaussian.of_features(features, weights))
            for real, weights in zip(self._resamples, self._weights, strict=True)
        )
        return value, tuple(float(distance) for distance in resampled)


def resampled_subjects(k: int, subjects: Sequence[str]) -> NDArray[np.int64]:
    """Return how often each subject is drawn in resample ``k``: S draws of S, not all of one.

    (One subject with one clip has no covariance between videos.)  The draw depends on ``k`` and on
    the names alone: whoever is scored on the same subjects, in this run or another, is resampled
    alike, so that differences between them are paired.

    Args:
        k: number of the resample.
        subjects: S different names, sorted, S ≥ 2.

    Returns:
        ``[S]``, summing to S.

    Raises:
        ValueError: if there are fewer than two subjects.
    """
    count = len(subjects)
    if count < 2:
        raise ValueError(f"subjects: expected at least 2 to draw from, got {count}")
    digest = hashlib.sha256("\n".join(subjects).encode()).digest()
    generator = np.random.default_rng([k, *np.frombuffer(digest, dtype=np.uint32)])
    while True:
        drawn: NDArray[np.int64] = generator.multinomial(count, np.full(count, 1.0 / count))
        if (drawn > 0).sum() > 1:
            return drawn
