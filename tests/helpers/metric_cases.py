"""Each metric of the package, ready to be fed some of five tiny videos."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torchmetrics import Metric

from diffmvr.metrics import (
    LPIPS,
    ExpressionError,
    FrameExtractor,
    FramePSNR,
    FrameSSIM,
    FrameSSIMW65,
    FrechetDistance,
    FrechetPerVideo,
    LandmarkError,
    StateAgreement,
    TemporalConsistency,
    TrueMotion,
    WarpError,
)

VIDEOS = 5


def video(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 3, 14, 14), generator=generator, dtype=torch.uint8)


def hole(seed: int) -> torch.Tensor:
    mask = torch.zeros(3, 1, 14, 14)
    mask[seed % 2 :, :, 2 : 6 + seed, 3:9] = 1
    return mask


def still() -> TrueMotion:
    flow = torch.zeros(2, 2, 14, 14, dtype=torch.float64)
    return TrueMotion(flow, torch.ones(2, 14, 14, dtype=torch.bool))


def feed_images(metric: Metric, index: int) -> None:
    metric.update(video(index), video(index + 100), hole(index))


def feed_warp(metric: Metric, index: int) -> None:
    metric.update(video(index), still(), hole(index))


def feed_features(metric: Metric, index: int) -> None:
    metric.update(video(index).flatten(1)[:, :4].double(), real=True)
    metric.update(video(index + 100).flatten(1)[:, :4].double(), real=False)


def feed_frames(metric: Metric, index: int) -> None:
    metric.update(video(index) / 127.5 - 1, video(index + 100) / 127.5 - 1)


def feed_pair(metric: Metric, index: int) -> None:
    metric.update(video(index), video(index + 100))


def feed_large(metric: Metric, index: int) -> None:
    metric.update(video(index).repeat(1, 1, 5, 5), video(index + 100).repeat(1, 1, 5, 5))


def readings(seed: int, frames: int) -> torch.Tensor:
    return torch.rand(frames, 2, generator=torch.Generator().manual_seed(seed))


def feed_expressions(metric: Metric, index: int) -> None:
    # Videos of 0 to 4 frames.
    metric.update(readings(index, index), readings(index + 100, index))


def feed_states(metric: Metric, index: int) -> None:
    metric.update(readings(index, index).argmax(1), readings(index + 100, index).argmax(1))


def feed_landmarks(metric: Metric, index: int) -> None:
    clean = np.random.default_rng(index).uniform(0, 14, (3, 40, 2))
    restored = clean + 1.0 + index
    restored[index % 3] = np.nan
    clean[0] = np.nan if index == 2 else clean[0]
    metric.update(restored, clean, hole(index)[:, 0].byte().numpy())


def colours() -> FrameExtractor:
    return FrameExtractor("colours", 3, lambda frames: frames.double().mean(dim=(2, 3)))


def absolute(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).abs().mean(dim=(1, 2, 3))


CASES: dict[str, tuple[Callable[[], Metric], Callable[[Metric, int], None]]] = {
    "psnr": (lambda: FramePSNR(inside_hole=True), feed_images),
    "ssim": (lambda: FrameSSIM(inside_hole=True), feed_images),
    "tc": (lambda: TemporalConsistency(inside_hole=True), feed_images),
    "warp_error": (lambda: WarpError(inside_hole=True), feed_warp),
    "ssim_w65": (FrameSSIMW65, feed_large),
    "lpips": (lambda: LPIPS(absolute), feed_pair),
    "frechet_per_video": (lambda: FrechetPerVideo(colours()), feed_frames),
    "expression_error": (lambda: ExpressionError([(0, 1), (-1, 1)]), feed_expressions),
    "state_agreement": (StateAgreement, feed_states),
    "landmark_error": (lambda: LandmarkError(((0, 1), (2, 3))), feed_landmarks),
    "frechet": (lambda: FrechetDistance(4, extractor="pixels"), feed_features),
}


def fed(name: str, indices: range) -> Metric:
    make, feed = CASES[name]
    metric = make()
    for index in indices:
        feed(metric, index)
    return metric


def values(result: Any) -> list[float]:
    return [float(v) for v in result.values()] if isinstance(result, dict) else [float(result)]
