"""Fréchet distances between real and restored frames or videos (paper Eq. 5 and 7), as metrics.

A Fréchet number means nothing without the network that made the features and the number of
samples, so both travel with it (see :mod:`diffmvr.metrics.extractors` for the names).
"""

import logging
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.metrics.extractors import (
    FeatureExtractor,
    FrameExtractor,
    frame_distance_name,
    video_distance_name,
)
from diffmvr.metrics.gaussians import (
    check_samples,
    frechet_distance,
    frechet_distance_of_features,
)
from diffmvr.metrics.images import MeanOverFrames

logger = logging.getLogger(__name__)


class FrechetDistance(Metric):
    """Fréchet distance between real and restored frames' features, fed batch by batch.

    The state is sums, sums of outer products and counts in float64, added up over processes.

    Args:
        num_features: D, the length of a feature vector.
        extractor: name of the network that makes the features; part of the metric's name.

    Attributes:
        name: to be shown with the number, ``fid`` or ``fd_<extractor>``.
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
        return frame_distance_name(self.extractor_name)

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
        check_samples(side, count)
        mean = self._state(side, "sum") / count
        cov = (self._state(side, "outer") - count * mean.outer(mean)) / (count - 1)
        return mean, cov

    def _state(self, side: str, kind: str) -> Tensor:
        return getattr(self, f"{side}_{kind}")


class FrechetFrameDistance(FrechetDistance):
    """Fréchet distance between all real and all restored frames, pooled (FID, paper Eq. 5).

    Args:
        extractor: turns frames into features.  With
            :func:`~diffmvr.metrics.inception.inception_2015` this is FID; with any other network it
            is that network's distance, named so.
    """

    def __init__(self, extractor: FrameExtractor, **kwargs: Any) -> None:
        super().__init__(extractor.num_features, extractor.name, **kwargs)
        self.extractor = extractor

    def update(self, frames: Tensor, real: bool) -> None:
        """Add frames.

        Args:
            frames: ``[N, 3, H, W]`` float in [-1, 1].
            real: whether they are the ground truth.

        Raises:
            ValueError: if shape or range is another one.
        """
        super().update(self.extractor(frames), real)


class FrechetPerVideo(MeanOverFrames):
    """Fréchet distance between the frames of one video and its truth, averaged over videos.

    The paper's video-level FID (Table 2).  A covariance of one video's few frames is singular:
    compare only numbers of equal length (decisions 17).

    Args:
        extractor: turns frames into features.
    """

    higher_is_better = False

    def __init__(self, extractor: FrameExtractor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.extractor = extractor

    @property
    def name(self) -> str:
        """``fid_video`` for Inception's features, else ``fd_<extractor>_video``."""
        return f"{frame_distance_name(self.extractor.name)}_video"

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add one video.

        Args:
            preds: ``[T, 3, H, W]`` float in [-1, 1], the restored video, T ≥ 2.
            target: the same shape, the ground truth.

        Raises:
            ValueError: if the shapes differ, or there is one frame only.
        """
        check_same_shape("preds", preds, "target", target)
        real, fake = self.extractor(target), self.extractor(preds)
        self.accumulate(frechet_distance_of_features(real, fake)[None])


class FrechetVideoDistance(FrechetDistance):
    """Fréchet distance between real and restored videos (paper Eq. 7).

    Args:
        extractor: turns videos into features.  With :func:`~diffmvr.metrics.extractors.i3d` this
            is FVD; with any other network it is that network's distance, named so.

    Example:
        >>> metric = FrechetVideoDistance(i3d(Path("weights/i3d_torchscript.pt"), trusted=True))
        >>> metric.update(truth, real=True)  # [B, T, 3, H, W] in [-1, 1]
        >>> metric.update(restored, real=False)
        >>> {metric.name: metric.compute(), "n": metric.counts}
    """

    def __init__(self, extractor: FeatureExtractor, **kwargs: Any) -> None:
        super().__init__(extractor.num_features, extractor.name, **kwargs)
        self.extractor = extractor

    @property
    def name(self) -> str:
        """``fvd`` or ``vfid`` for the two I3D networks' features, else ``fvd_<extractor>``."""
        return video_distance_name(self.extractor_name)

    def update(self, videos: Tensor, real: bool) -> None:
        """Add videos.

        Args:
            videos: ``[B, T, 3, H, W]`` float in [-1, 1].
            real: whether they are the ground truth.

        Raises:
            ValueError: if shape or range is another one.
        """
        super().update(self.extractor(videos), real)
