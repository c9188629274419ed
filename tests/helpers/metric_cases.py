"""Each metric of the package, ready to be fed some of five tiny videos."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from diffmvr.metrics.extractors import FeatureExtractor
from diffmvr.metrics.frechet import FrechetVideoDistance
from diffmvr.metrics.hole_scores import HoleScores
from diffmvr.metrics.temporal_consistency import TemporalConsistency

VIDEOS = 5


def video(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 3, 14, 14), generator=generator, dtype=torch.uint8)


def in_models_range(seed: int) -> torch.Tensor:
    """A batch of one video, ``[1, T, 3, H, W]`` in [-1, 1]."""
    return video(seed)[None] / 127.5 - 1


def hole(seed: int) -> torch.Tensor:
    mask = torch.zeros(3, 1, 14, 14)
    # The last video has none.
    mask[seed % 2 :, :, 2 : 6 + seed, 3:9] = float(seed < VIDEOS - 1)
    return mask


def feed_images(metric: nn.Module, index: int) -> None:
    metric.update(video(index), video(index + 100), hole(index))


def feed_pairs(metric: nn.Module, index: int) -> None:
    pair = in_models_range(index), in_models_range(index + 100)
    metric.update(*pair, hole(index)[None])


def feed_sides(metric: nn.Module, index: int) -> None:
    metric.update(in_models_range(index), real=True)
    metric.update(in_models_range(index + 100), real=False)


def pixels() -> FeatureExtractor:
    return FeatureExtractor("pixels", 4, lambda videos: videos.flatten(1)[:, :4])


CASES: dict[str, tuple[Callable[[], Any], Callable[[Any, int], None]]] = {
    "tc": (lambda: TemporalConsistency(inside_hole=True), feed_images),
    "hole_scores": (HoleScores, feed_pairs),
    "frechet": (lambda: FrechetVideoDistance(pixels()), feed_sides),
}


def fed(name: str, indices: range) -> Any:
    make, feed = CASES[name]
    metric = make()
    for index in indices:
        feed(metric, index)
    return metric


def values(result: Any) -> list[float]:
    return [float(v) for v in result.values()] if isinstance(result, dict) else [float(result)]
