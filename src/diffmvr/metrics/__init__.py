"""Scores: a pure function for each, and a torchmetrics ``Metric`` around it."""

from diffmvr.metrics.bootstrap import PairedComparison, paired_bootstrap, paired_replicates
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.metrics.expression import (
    ExpressionError,
    StateAgreement,
    expression_error,
    state_agreement,
)
from diffmvr.metrics.extractors import FeatureExtractor, FrameExtractor, i3d
from diffmvr.metrics.frechet import (
    FrechetDistance,
    FrechetFrameDistance,
    FrechetPerVideo,
    FrechetVideoDistance,
)
from diffmvr.metrics.gaussians import (
    frechet_distance,
    frechet_distance_of_features,
    gaussian_moments,
)
from diffmvr.metrics.i3d_rgb import i3d_rgb
from diffmvr.metrics.inception import inception_2015
from diffmvr.metrics.landmark_error import LandmarkError, landmark_error
from diffmvr.metrics.perceptual import LPIPS, LPIPSScorer, lpips
from diffmvr.metrics.psnr import FramePSNR, frame_psnr, pooled_psnr
from diffmvr.metrics.resamples import resampled_subjects
from diffmvr.metrics.set_distances import SetDistance, SetDistances
from diffmvr.metrics.ssim import FrameSSIM, FrameSSIMW65, frame_ssim, frame_ssim_w65, ssim_map
from diffmvr.metrics.temporal_consistency import TemporalConsistency, video_tc
from diffmvr.metrics.warp_error import TrueMotion, WarpError, pair_warp_error, true_motion

__all__ = [
    "LPIPS",
    "ExpressionError",
    "FeatureExtractor",
    "FrameExtractor",
    "FramePSNR",
    "FrameSSIM",
    "FrameSSIMW65",
    "FrechetDistance",
    "FrechetFrameDistance",
    "FrechetPerVideo",
    "FrechetVideoDistance",
    "LPIPSScorer",
    "LandmarkError",
    "PairedComparison",
    "SetDistance",
    "SetDistances",
    "StateAgreement",
    "TemporalConsistency",
    "TrueMotion",
    "WarpError",
    "expression_error",
    "frame_psnr",
    "frame_ssim",
    "frame_ssim_w65",
    "frechet_distance",
    "frechet_distance_of_features",
    "gaussian_moments",
    "i3d",
    "i3d_rgb",
    "inception_2015",
    "landmark_error",
    "lpips",
    "pair_warp_error",
    "paired_bootstrap",
    "paired_replicates",
    "pooled_psnr",
    "resampled_subjects",
    "score_clip",
    "ssim_map",
    "state_agreement",
    "true_motion",
    "video_tc",
]
