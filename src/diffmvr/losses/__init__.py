"""The paper's training objective, Equations 1 to 3, and one loss of ours."""

from diffmvr.losses.decoded import DecodedLoss
from diffmvr.losses.denoising import DenoisingLoss, denoising_loss
from diffmvr.losses.motion import MotionConsistencyLoss, motion_consistency_loss
from diffmvr.losses.prediction import Prediction

__all__ = [
    "DecodedLoss",
    "DenoisingLoss",
    "MotionConsistencyLoss",
    "Prediction",
    "denoising_loss",
    "motion_consistency_loss",
]
