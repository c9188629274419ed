"""Fréchet distance between real and restored videos (paper Eq. 7), as a metric.

A Fréchet number means nothing without the network that made the features and the number of
samples, so both travel with it (see :mod:`diffmvr.metrics.extractors` for the names).
"""

import logging
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from diffmvr.metrics.extractors import FeatureExtractor, video_distance_name
from diffmvr.metrics.gaussians import check_samples, frechet_distance

logger = logging.getLogger(__name__)


class FrechetVideoDistance(Metric):
    """Fréchet distance between real and restored videos (paper Eq. 7), fed batch by batch.

    The state is sums, sums of outer products and counts in float64, added up over processes.

    Args:
        extractor: turns videos into features.  With :func:`~diffmvr.metrics.extractors.i3d` this
            is FVD; with any other network it is that network's distance, named so.

    Example:
        With the mean colour of a video in place of a network; equal sets are at distance 0.

        >>> colour = FeatureExtractor("colour", 3, lambda videos: videos.mean(dim=(1, 3, 4)))
        >>> metric = FrechetVideoDistance(colour)
        >>> videos = torch.rand(8, 4, 3, 16, 16)  # [B, T, 3, H, W] in [-1, 1]
        >>> metric.update(videos, real=True)
        >>> metric.update(videos, real=False)
        >>> metric.name, f"{metric.compute().abs():.3f}", metric.counts
        ('fvd_colour', '0.000', (8, 8))
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = False

    def __init__(self, extractor: FeatureExtractor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not extractor.name:
            raise ValueError("extractor: expected the network's name, got an empty string")
        self.extractor = extractor
        for side in ("real", "fake"):
            total = torch.zeros(extractor.num_features, dtype=torch.float64)
            self.add_state(f"{side}_sum", default=total, dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", default=total.outer(total), dist_reduce_fx="sum")
            self.add_state(f"{side}_count", default=torch.tensor(0), dist_reduce_fx="sum")

    @property
    def name(self) -> str:
        """``fvd`` or ``vfid`` for the two I3D networks' features, else ``fvd_<extractor>``."""
        return video_distance_name(self.extractor.name)

    @property
    def counts(self) -> tuple[int, int]:
        """Number of real and of restored samples seen."""
        return int(self._state("real", "count")), int(self._state("fake", "count"))

    def update(self, videos: Tensor, real: bool) -> None:
        """Add videos.

        Args:
            videos: ``[B, T, 3, H, W]`` float in [-1, 1].
            real: whether they are the ground truth.

        Raises:
            ValueError: if shape or range is another one.
        """
        side = "real" if real else "fake"
        features = self.extractor(videos).to(self._state(side, "sum"))
        self._state(side, "sum").add_(features.sum(dim=0))
        self._state(side, "outer").add_(features.T @ features)
        self._state(side, "count").add_(len(features))

    def compute(self) -> Tensor:
        """Return the distance.

        Raises:
            ValueError: if either side has fewer than two samples.
        """
        few = min(self.counts)
        if few <= self.extractor.num_features:
            logger.warning(
                "%s: %d samples for %d features make a singular covariance; compare only numbers "
                "of equal N",
                self.name,
                few,
                self.extractor.num_features,
            )
        return frechet_distance(*self._moments("real"), *self._moments("fake"))

    def _moments(self, side: str) -> tuple[Tensor, Tensor]:
        count = int(self._state(side, "count"))
        check_samples(side, count)
        mean = self._state(side, "sum") / count
        cov = (self._state(side, "outer") - count * mean.outer(mean)) / (count - 1)
        return mean, cov

    def _state(self, side: str, kind: str) -> Tensor:
        return getattr(self, f"{side}_{kind}")
