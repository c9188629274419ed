"""All frame and motion scores of one restored clip, whole frame and inside the hole."""

import math

import numpy as np
import torch
from torch import Tensor

from diffmvr.checks import check_same_shape
from diffmvr.metrics.images import mean_where
from diffmvr.metrics.psnr import frame_psnr, pooled_psnr
from diffmvr.metrics.ssim import ssim_map
from diffmvr.metrics.temporal_consistency import video_tc
from diffmvr.metrics.warp_error import pair_warp_error, true_motion
from diffmvr.structures import Clip, UInt8Array


def score_clip(restored: UInt8Array, clip: Clip) -> dict[str, float]:
    """Score a restored clip against its ground truth.

    Frames without a hole are the input's own, whoever restores: they are left out of ``psnr``
    (where each would score infinity) and of every ``*_hole`` score, and counted.  ``ssim``, ``tc``
    and ``warp_error`` average over all frames or pairs, as in the paper.

    Args:
        restored: ``[T, H, W, 3]`` uint8 RGB, equal to ``clip.observed`` wherever the mask is 0.
        clip: the clip, its ground truth known.

    Returns:
        By name, NaN where there is nothing to score:

        - ``psnr``, ``psnr_hole``, ``psnr_hole_pooled`` in dB; ``ssim``, ``ssim_hole``
        - ``tc``, ``tc_gt`` and their distance ``tc_diff``, and the same inside the hole:
          ``tc_hole``, ``tc_hole_gt``, ``tc_hole_diff``
        - ``warp_error``, ``warp_error_hole``, and the ground truth's own, ``*_gt``
        - ``n_frames``, ``n_hole_frames``, ``hole_share`` (hidden pixels of all pixels)

    Raises:
        ValueError: if the ground truth is unknown (such frames never enter a score, decisions 3),
            if the shapes differ, or if a pixel outside the mask was changed.
    """
    truth = _checked_truth(restored, clip)
    preds, target = _as_images(restored), _as_images(truth)
    mask = torch.from_numpy(clip.mask != 0)[:, None]
    touched = mask.flatten(1).any(dim=1)
    hole = (preds[touched], target[touched], mask[touched])
    similarity = ssim_map(preds, target)
    scores: dict[str, Tensor | float] = {
        "psnr": frame_psnr(hole[0], hole[1]).mean(),
        "psnr_hole": frame_psnr(*hole).mean(),
        "psnr_hole_pooled": pooled_psnr(*hole),
        "ssim": similarity.mean(),
        "ssim_hole": mean_where(similarity, mask[:, 0]).nanmean(),
    }
    scores |= _motion_scores(preds, target, mask, truth)
    scores |= {
        "n_frames": len(preds),
        "n_hole_frames": touched.sum(),
        "hole_share": mask.double().mean(),
    }
    return {name: float(value) for name, value in scores.items()}


def _motion_scores(
    preds: Tensor, target: Tensor, mask: Tensor, truth: UInt8Array
) -> dict[str, Tensor | float]:
    names = ("tc", "tc_hole", "warp_error", "warp_error_hole")
    if len(preds) < 2:
        every = [*names, *(f"{name}_gt" for name in names), "tc_diff", "tc_hole_diff"]
        return dict.fromkeys(every, math.nan)
    motion = true_motion(truth)
    scores: dict[str, Tensor | float] = {}
    for region, hole in (("", None), ("_hole", mask)):
        own, true = video_tc(preds, hole), video_tc(target, hole)
        scores |= {f"tc{region}": own, f"tc{region}_gt": true, f"tc{region}_diff": abs(own - true)}
        for owner, video in (("", preds), ("_gt", target)):
            error = pair_warp_error(video, motion, hole).nanmean()
            scores[f"warp_error{region}{owner}"] = error
    return scores


def _checked_truth(restored: UInt8Array, clip: Clip) -> UInt8Array:
    if clip.frames is None:
        raise ValueError(
            f"clip: {clip.clip_id!r} has no ground truth (frames is None); a really occluded "
            "recording cannot be scored, only shown"
        )
    check_same_shape("restored", restored, "clip.frames", clip.frames)
    changed = (restored != clip.observed).any(axis=-1) & (clip.mask == 0)
    if changed.any():
        raise ValueError(
            f"restored: {int(changed.sum())} pixels outside the mask of {clip.clip_id!r} differ "
            "from what the camera saw; composite the restored frames before scoring"
        )
    return clip.frames


def _as_images(frames: UInt8Array) -> Tensor:
    """Convert ``[T, H, W, 3]`` to ``[T, 3, H, W]``, still in [0, 255]."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
