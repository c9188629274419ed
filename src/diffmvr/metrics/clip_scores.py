"""All frame and motion scores of one restored clip, whole frame and inside the hole."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from diffmvr.checks import check_same_shape
from diffmvr.metrics.images import mean_where
from diffmvr.metrics.psnr import frame_psnr, pooled_psnr
from diffmvr.metrics.ssim import frame_ssim_w65, ssim_map
from diffmvr.metrics.temporal_consistency import video_tc
from diffmvr.metrics.warp_error import TrueMotion, pair_warp_error, true_motion
from diffmvr.structures import Clip, UInt8Array


def score_clip(restored: UInt8Array, clip: Clip) -> dict[str, float]:
    """Score a restored clip against its ground truth.

    Frames without a hole are the input's own, whoever restores: they are left out of ``psnr``
    (where each would score infinity) and of every ``*_hole`` score, and counted.  ``ssim``,
    ``tc`` and ``warp_error`` average over all frames or pairs, as in the paper.

    Args:
        restored: ``[T, H, W, 3]`` uint8 RGB, equal to ``clip.observed`` wherever the mask is 0.
        clip: the clip, its ground truth known.

    Returns:
        By name, NaN where there is nothing to score:

        - ``psnr``, ``psnr_hole``, ``psnr_hole_pooled`` in dB; ``ssim``, ``ssim_hole``, and
          ``ssim_w65`` for frames of at least 65 pixels
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
    mask = _hole(clip)
    touched = mask.flatten(1).any(dim=1)
    hole = (preds[touched], target[touched], mask[touched])
    similarity = ssim_map(preds, target)
    scores: dict[str, Tensor | float] = {
        "psnr": frame_psnr(hole[0], hole[1]).mean(),
        "psnr_hole": frame_psnr(*hole).mean(),
        "psnr_hole_pooled": pooled_psnr(*hole),
        "ssim": similarity.mean(),
        "ssim_w65": frame_ssim_w65(preds, target).mean(),
        "ssim_hole": mean_where(similarity, mask[:, 0]).nanmean(),
    }
    scores |= _motion_scores(preds, mask, clip)
    scores |= {
        "n_frames": len(preds),
        "n_hole_frames": touched.sum(),
        "hole_share": mask.double().mean(),
    }
    return {name: float(value) for name, value in scores.items()}


def _motion_scores(preds: Tensor, mask: Tensor, clip: Clip) -> dict[str, Tensor | float]:
    if len(preds) < 2:
        names = ("tc", "tc_hole", "warp_error", "warp_error_hole")
        every = [*names, *(f"{name}_gt" for name in names), "tc_diff", "tc_hole_diff"]
        return dict.fromkeys(every, math.nan)
    truth = _truth_of(_Identical(clip))
    scores: dict[str, Tensor | float] = {}
    for region, hole in (("", None), ("_hole", mask)):
        own, true = video_tc(preds, hole), truth.tc[region]
        scores |= {f"tc{region}": own, f"tc{region}_gt": true, f"tc{region}_diff": abs(own - true)}
        scores[f"warp_error{region}"] = pair_warp_error(preds, truth.motion, hole).nanmean()
        scores[f"warp_error{region}_gt"] = truth.warp_error[region]
    return scores


@dataclass(frozen=True)
class _Truth:
    """What every restorer of a clip is judged by; the scores by region, whole or hole."""

    motion: TrueMotion
    tc: dict[str, Tensor]
    warp_error: dict[str, Tensor]


class _Identical:
    """A clip as a key: equal to itself alone."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    def __hash__(self) -> int:
        return id(self.clip)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identical) and other.clip is self.clip


@lru_cache(maxsize=1)
def _truth_of(key: _Identical) -> _Truth:
    """Measure the truth of a clip once for all its restorers; it takes longer than they do."""
    clip = key.clip
    frames = _known(clip)
    target, motion = _as_images(frames), true_motion(frames)
    regions = (("", None), ("_hole", _hole(clip)))
    return _Truth(
        motion=motion,
        tc={region: video_tc(target, hole) for region, hole in regions},
        warp_error={
            region: pair_warp_error(target, motion, hole).nanmean() for region, hole in regions
        },
    )


def _known(clip: Clip) -> UInt8Array:
    if clip.frames is None:
        raise ValueError(
            f"clip: {clip.clip_id!r} has no ground truth (frames is None); a really occluded "
            "recording cannot be scored, only shown"
        )
    return clip.frames


def _hole(clip: Clip) -> Tensor:
    """Return the mask as bool ``[T, 1, H, W]``."""
    return torch.from_numpy(clip.mask != 0)[:, None]


def _checked_truth(restored: UInt8Array, clip: Clip) -> UInt8Array:
    truth = _known(clip)
    check_same_shape("restored", restored, "clip.frames", truth)
    changed = (restored != clip.observed).any(axis=-1) & (clip.mask == 0)
    if changed.any():
        raise ValueError(
            f"restored: {int(changed.sum())} pixels outside the mask of {clip.clip_id!r} differ "
            "from what the camera saw; composite the restored frames before scoring"
        )
    return truth


def _as_images(frames: UInt8Array) -> Tensor:
    """Convert ``[T, H, W, 3]`` to ``[T, 3, H, W]``, still in [0, 255]."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
