"""Scores: a pure function for each, and a torchmetrics ``Metric`` around it."""

from diffmvr.metrics.bootstrap import PairedComparison, paired_bootstrap
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.metrics.extractors import FeatureExtractor, i3d
from diffmvr.metrics.frechet import (
    FrechetDistance,
    FrechetVideoDistance,
    frechet_distance,
    gaussian_moments,
)
from diffmvr.metrics.psnr import FramePSNR, frame_psnr, pooled_psnr
from diffmvr.metrics.ssim import FrameSSIM, frame_ssim, ssim_map
from diffmvr.metrics.temporal_consistency import TemporalConsistency, video_tc
from diffmvr.metrics.warp_error import TrueMotion, WarpError, pair_warp_error, true_motion

__all__ = [
    "FeatureExtractor",
    "FramePSNR",
    "FrameSSIM",
    "FrechetDistance",
    "FrechetVideoDistance",
    "PairedComparison",
    "TemporalConsistency",
    "TrueMotion",
    "WarpError",
    "frame_psnr",
    "frame_ssim",
    "frechet_distance",
    "gaussian_moments",
    "i3d",
    "pair_warp_error",
    "paired_bootstrap",
    "pooled_psnr",
    "score_clip",
    "ssim_map",
    "true_motion",
    "video_tc",
]
