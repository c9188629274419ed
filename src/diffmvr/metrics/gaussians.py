"""Fréchet distance between two sets of features (paper Eq. 5 and 7).

    d² = ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

The last trace equals the sum of the singular values of F₁ᵀ F₂ for any factors Σ = F Fᵀ: no complex
parts, and no digits lost to a root of a rounded product.  Given covariances, F is the symmetric
root; given samples, the scaled, centred samples themselves (or their triangular factor, where there
are more of them than features), so that no covariance is formed.  All of it in float64.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffmvr.checks import check_shape


def gaussian_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean ``[D]`` and the unbiased covariance ``[D, D]`` of features ``[N, D]``.

    Raises:
        ValueError: if there are fewer than two samples.
    """
    check_shape("features", features, (None, None))
    check_samples("features", len(features))
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
    a = Gaussian(mean_a.double(), _root(cov_a.double()))
    return a.distance(Gaussian(mean_b.double(), _root(cov_b.double())))


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian over features, its covariance kept as a factor.

    Attributes:
        mean: ``[D]`` float64.
        factor: ``[D, K]`` float64, F with Σ = F Fᵀ.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of_features(cls, features: Tensor, weights: Tensor | None = None) -> "Gaussian":
        """Return the Gaussian with the mean and the unbiased covariance of features.

        Args:
            features: ``[N, D]`` float.
            weights: ``[N]``, how often each sample counts (0, 1, 2 …); once each if ``None``.

        Raises:
            ValueError: if fewer than two samples count.
        """
        check_shape("features", features, (None, None))
        features = features.double()
        if weights is None:
            weights = features.new_ones(len(features))
        check_shape("weights", weights, (len(features),))
        counts = weights > 0
        features, weights = features[counts], weights[counts].double()
        total = float(weights.sum())
        check_samples("features", round(total))
        mean = (weights @ features) / total
        scaled = (features - mean) * (weights / (total - 1)).sqrt()[:, None]
        if len(scaled) > scaled.shape[1]:
            scaled = torch.linalg.qr(scaled, mode="r").R
        return cls(mean, scaled.T)

    def distance(self, other: "Gaussian") -> Tensor:
        """Return the squared Fréchet distance to another Gaussian, Eq. 5; a scalar ≥ 0."""
        shift = (self.mean - other.mean).square().sum()
        spread = self.factor.square().sum() + other.factor.square().sum()
        overlap = torch.linalg.svdvals(self.factor.T @ other.factor).sum()
        return (shift + spread - 2 * overlap).clamp(min=0.0)


def frechet_distance_of_features(real: Tensor, fake: Tensor) -> Tensor:
    """Return the squared Fréchet distance between two sets of features, Eq. 5.

    Args:
        real: ``[N, D]`` float.
        fake: ``[M, D]`` float.

    Returns:
        A float64 scalar, ≥ 0.

    Raises:
        ValueError: if the lengths of the features differ, or a set has fewer than two samples.
    """
    check_shape("real", real, (None, None))
    check_shape("fake", fake, (None, real.shape[1]))
    for name, features in (("real", real), ("fake", fake)):
        check_samples(name, len(features))
    return Gaussian.of_features(real).distance(Gaussian.of_features(fake))


def _root(cov: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(cov)
    # Eigenvalues below this are rounding; a root would lift 1e-16 of noise to 1e-8.
    noise = torch.finfo(values.dtype).eps * len(values) * values.abs().max()
    values = torch.where(values > noise, values, 0.0)
    return (vectors * values.sqrt()) @ vectors.T


def check_samples(name: str, count: int) -> None:
    """Require enough samples for a covariance.

    Raises:
        ValueError: if there are fewer than two.
    """
    if count < 2:
        raise ValueError(
            f"{name}: expected at least 2 samples for a covariance, got {count}; score more"
        )
