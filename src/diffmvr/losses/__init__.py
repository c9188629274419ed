"""The paper's training objective, Equations 1 to 3."""

from diffmvr.losses.denoising import DenoisingLoss, denoising_loss
from diffmvr.losses.motion import MotionConsistencyLoss, motion_consistency_loss

__all__ = [
    "DenoisingLoss",
    "MotionConsistencyLoss",
    "denoising_loss",
    "motion_consistency_loss",
]
