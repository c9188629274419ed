"""Warp error: what still differs between two frames once the true motion is undone.

After Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018).  The motion is DIS
optical flow of the *ground-truth* frames, so every restorer is judged by the same motion; pixels
whose forward and backward flow disagree, ``|fb| > 0.01 (|fw| + |bw|) + 0.5``, are left out.

Legend: T frames, H × W pixels; flow is (dx, dy) in pixels, from frame t to frame t + 1.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffmvr.checks import check_shape
from diffmvr.metrics.images import DATA_RANGE, check_images, hole_of, mean_where
from diffmvr.structures import UInt8Array

FLOW_METHOD = "DIS (OpenCV, medium preset)"
MIN_SIDE = 12


@dataclass(frozen=True)
class TrueMotion:
    """Motion between consecutive ground-truth frames.

    Attributes:
        flow: ``[T-1, 2, H, W]`` float64, where each pixel of frame t is in frame t + 1.
        visible: ``[T-1, H, W]`` bool, where that flow can be trusted.
    """

    flow: Tensor
    visible: Tensor


def true_motion(video: UInt8Array) -> TrueMotion:
    """Estimate the motion of a ground-truth video.

    Args:
        video: ``[T, H, W, 3]`` uint8 RGB.

    Raises:
        ValueError: if the video has fewer than two frames or is smaller than 12 pixels.
    """
    check_shape("video", video, (None, None, None, 3))
    if len(video) < 2 or min(video.shape[1:3]) < MIN_SIDE:
        raise ValueError(
            f"video: expected at least 2 frames of at least {MIN_SIDE} × {MIN_SIDE} pixels for "
            f"optical flow, got {len(video)} of {video.shape[1]} × {video.shape[2]}"
        )
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video]
    solver: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forward = _as_tensor([solver.calc(first, second, None) for first, second in pairwise(grey)])
    backward = _as_tensor([solver.calc(second, first, None) for first, second in pairwise(grey)])
    return TrueMotion(forward, _agreeing(forward, backward))


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Fetch each pixel's value from where the flow points (bilinear, border repeated).

    Args:
        images: ``[N, C, H, W]`` float.
        flow: ``[N, 2, H, W]`` in pixels, (dx, dy).

    Returns:
        ``[N, C, H, W]``: ``images`` at (x + dx, y + dy).
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) + flow[:, 0]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[:, 1]
    # grid_sample measures in [-1, 1] between the centres of the outermost pixels.
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=True)


def pair_warp_error(video: Tensor, motion: TrueMotion, mask: Tensor | None = None) -> Tensor:
    """Return the mean squared difference of each frame to its warped successor, in [0, 1].

    Args:
        video: ``[T, C, H, W]`` in [0, 255].
        motion: the ground truth's motion.
        mask: ``[T, 1, H, W]`` 0/1; if given, only pixels whose correspondence is hidden at either
            end count, i.e. those in which a restorer had a say.

    Returns:
        ``[T-1]`` float64; NaN for a pair without a pixel to judge.

    Raises:
        ValueError: if the video does not fit the motion.
    """
    video = check_images("video", video) / DATA_RANGE
    pairs, _, height, width = motion.flow.shape
    check_shape("video", video, (pairs + 1, None, height, width))
    judged = motion.visible
    if mask is not None:
        hole = hole_of(mask, video)
        arriving = warp(hole[1:, None].to(video), motion.flow)[:, 0] > 0.5
        judged = judged & (hole[:-1] | arriving)
    error = (video[:-1] - warp(video[1:], motion.flow)).square().mean(dim=1)
    return mean_where(error, judged)


def _as_tensor(flows: list[Any]) -> Tensor:
    return torch.from_numpy(np.stack(flows)).double().movedim(-1, 1)


def _agreeing(forward: Tensor, backward: Tensor) -> Tensor:
    """Return where following the flow there and back ends where it began, inside the frame."""
    returning = warp(backward, forward)
    gap = (forward + returning).norm(dim=1)
    allowed = 0.01 * (forward.norm(dim=1) + returning.norm(dim=1)) + 0.5
    height, width = forward.shape[-2:]
    x = torch.arange(width, dtype=forward.dtype) + forward[:, 0]
    y = torch.arange(height, dtype=forward.dtype)[:, None] + forward[:, 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (gap <= allowed) & inside
