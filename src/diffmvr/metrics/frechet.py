"""Fréchet distance between two sets of features (paper Eq. 5 and 7).

    d² = ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

The last trace equals the sum of the singular values of Σ₁^½ Σ₂^½, with the roots taken by
symmetric eigenvalues: no complex parts, and no digits lost to a root of a rounded product.
All of it in float64.

A Fréchet number means nothing without the network that made the features and the number of
samples, so both travel with it.  Only Inception's is called FID and only I3D's FVD; every other is
named after its extractor (``fd_clip_tiny``).
"""

import logging
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from diffmvr.checks import check_shape
from diffmvr.metrics.extractors import I3D_NAME, FeatureExtractor

logger = logging.getLogger(__name__)


def gaussian_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean ``[D]`` and the unbiased covariance ``[D, D]`` of features ``[N, D]``.

    Raises:
        ValueError: if there are fewer than two samples.
    """
    check_shape("features", features, (None, None))
    _check_samples("features", len(features))
    features = features.double()
    return features.mean(dim=0), torch.cov(features.T).reshape(2 * (features.shape[1],))


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """Return the squared Fréchet distance between two Gaussians, Eq. 5.

    Args:
        mean_a: ``[D]``.
        cov_a: ``[D, D]``, symmetric positive semi-definite.
        mean_b: ``[D]``.
        cov_b: ``[D, D]``, symmetric positive semi-definite.

    Returns:
        A float64 scalar, ≥ 0.

    Raises:
        ValueError: if the shapes do not fit.
    """
    check_shape("mean_a", mean_a, (None,))
    size = len(mean_a)
    check_shape("mean_b", mean_b, (size,))
    check_shape("cov_a", cov_a, (size, size))
    check_shape("cov_b", cov_b, (size, size))
    cov_a, cov_b = cov_a.double(), cov_b.double()
    shift = (mean_a.double() - mean_b.double()).square().sum()
    overlap = torch.linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    return (shift + cov_a.trace() + cov_b.trace() - 2 * overlap).clamp(min=0.0)


def _root(cov: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(cov)
    # Eigenvalues below this are rounding; a root would lift 1e-16 of noise to 1e-8.
    noise = torch.finfo(values.dtype).eps * len(values) * values.abs().max()
    values = torch.where(values > noise, values, 0.0)
    return (vectors * values.sqrt()) @ vectors.T


def _check_samples(name: str, count: int) -> None:
    if count < 2:
        raise ValueError(
            f"{name}: expected at least 2 samples for a covariance, got {count}; score more"
        )


class FrechetDistance(Metric):
    """Fréchet distance between real and restored features, fed batch by batch.

    The state is sums, sums of outer products and counts in float64, added up over processes.

    Args:
        num_features: D, the length of a feature vector.
        extractor: name of the network that makes the features; part of the metric's name.

    Attributes:
        name: ``fd_<extractor>``, to be shown with the number.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = False

    def __init__(self, num_features: int, extractor: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not extractor:
            raise ValueError("extractor: expected the network's name, got an empty string")
        self.num_features = num_features
        self.extractor_name = extractor
        for side in ("real", "fake"):
            total = torch.zeros(num_features, dtype=torch.float64)
            self.add_state(f"{side}_sum", default=total, dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", default=total.outer(total), dist_reduce_fx="sum")
            self.add_state(f"{side}_count", default=torch.tensor(0), dist_reduce_fx="sum")

    @property
    def name(self) -> str:
        """What to call the number."""
        return f"fd_{self.extractor_name}"

    @property
    def counts(self) -> tuple[int, int]:
        """Number of real and of restored samples seen."""
        return int(self._state("real", "count")), int(self._state("fake", "count"))

    def update(self, features: Tensor, real: bool) -> None:
        """Add features.

        Args:
            features: ``[N, D]`` float.
            real: whether they come from the ground truth.

        Raises:
            ValueError: if the features are not ``[N, D]``.
        """
        check_shape("features", features, (None, self.num_features))
        side = "real" if real else "fake"
        features = features.to(self._state(side, "sum"))
        self._state(side, "sum").add_(features.sum(dim=0))
        self._state(side, "outer").add_(features.T @ features)
        self._state(side, "count").add_(len(features))

    def compute(self) -> Tensor:
        """Return the distance.

        Raises:
            ValueError: if either side has fewer than two samples.
        """
        few = min(self.counts)
        if few <= self.num_features:
            logger.warning(
                "%s: %d samples for %d features make a singular covariance; compare only numbers "
                "of equal N",
                self.name,
                few,
                self.num_features,
            )
        return frechet_distance(*self._moments("real"), *self._moments("fake"))

    def _moments(self, side: str) -> tuple[Tensor, Tensor]:
        count = int(self._state(side, "count"))
        _check_samples(side, count)
        mean = self._state(side, "sum") / count
        cov = (self._state(side, "outer") - count * mean.outer(mean)) / (count - 1)
        return mean, cov

    def _state(self, side: str, kind: str) -> Tensor:
        return getattr(self, f"{side}_{kind}")


class FrechetVideoDistance(FrechetDistance):
    """Fréchet distance between real and restored videos (paper Eq. 7).

    Args:
        extractor: turns videos into features.  With :func:`~diffmvr.metrics.extractors.i3d` this
            is FVD; with any other network it is that network's distance, named so.

    Example:
        >>> metric = FrechetVideoDistance(i3d(Path("weights/i3d_torchscript.pt")))
        >>> metric.update(truth, real=True)  # [B, T, 3, H, W] in [-1, 1]
        >>> metric.update(restored, real=False)
        >>> {metric.name: metric.compute(), "n": metric.counts}
    """

    def __init__(self, extractor: FeatureExtractor, **kwargs: Any) -> None:
        super().__init__(extractor.num_features, extractor.name, **kwargs)
        self.extractor = extractor

    @property
    def name(self) -> str:
        """``fvd`` for I3D features, else ``fd_<extractor>``."""
        return "fvd" if self.extractor_name == I3D_NAME else super().name

    def update(self, videos: Tensor, real: bool) -> None:
        """Add videos.

        Args:
            videos: ``[B, T, 3, H, W]`` float in [-1, 1].
            real: whether they are the ground truth.

        Raises:
            ValueError: if shape or range is another one.
        """
        super().update(self.extractor(videos), real)
