import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.helpers.clips import moving_clip

from diffmvr.metrics.clip_scores import score_clip
from diffmvr.metrics.psnr import MAX_PSNR, frame_psnr
from diffmvr.metrics.ssim import frame_ssim
from diffmvr.metrics.temporal_consistency import video_tc


def test_the_ground_truth_itself_scores_perfectly() -> None:
    clip = moving_clip()
    assert clip.frames is not None
    scores = score_clip(clip.frames, clip)
    assert scores["psnr"] == scores["psnr_hole"] == scores["psnr_hole_pooled"] == MAX_PSNR
    assert scores["ssim"] == pytest.approx(1.0) and scores["ssim_hole"] == pytest.approx(1.0)
    assert scores["tc_diff"] == scores["tc_hole_diff"] == 0.0
    assert scores["warp_error"] == scores["warp_error_gt"]
    assert scores["warp_error_hole"] == scores["warp_error_hole_gt"]


def test_scores_are_those_of_the_pure_functions() -> None:
    clip = moving_clip()
    scores = score_clip(clip.observed, clip)
    preds, target = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (clip.observed, clip.frames))
    mask = torch.from_numpy(clip.mask)[:, None]
    assert scores["psnr"] == pytest.approx(float(frame_psnr(preds, target)[2:].mean()))
    assert scores["psnr_hole"] == pytest.approx(float(frame_psnr(preds, target, mask).nanmean()))
    assert scores["ssim"] == pytest.approx(float(frame_ssim(preds, target).mean()))
    assert scores["ssim_hole"] == pytest.approx(float(frame_ssim(preds, target, mask).nanmean()))
    assert scores["tc"] == pytest.approx(float(video_tc(preds)))
    assert scores["tc_hole_gt"] == pytest.approx(float(video_tc(target, mask)))
    assert scores["tc_diff"] == pytest.approx(abs(scores["tc"] - scores["tc_gt"]))


def test_the_hole_is_counted() -> None:
    clip = moving_clip(frames=6, arrival=2)
    scores = score_clip(clip.observed, clip)
    assert scores["n_frames"] == 6 and scores["n_hole_frames"] == 4
    assert scores["hole_share"] == pytest.approx(clip.mask.mean())


def test_a_static_occluder_pasted_over_motion_is_worse_in_motion_too() -> None:
    clip = moving_clip()
    scores = score_clip(clip.observed, clip)
    assert scores["warp_error_hole"] > 10 * scores["warp_error_hole_gt"]
    assert scores["tc_hole"] == 0.0 < scores["tc_hole_gt"]


def test_without_a_hole_hole_scores_are_nan() -> None:
    clip = moving_clip()
    clip = replace(clip, observed=clip.frames, mask=np.zeros_like(clip.mask))
    scores = score_clip(clip.observed, clip)
    assert all(
        math.isnan(v)
        for k, v in scores.items()
        if "hole" in k and not k.startswith(("n_", "hole_share"))
    )
    assert math.isnan(scores["psnr"]) and scores["ssim"] == pytest.approx(1.0)


def test_one_frame_has_no_motion_scores_but_the_same_names() -> None:
    clip = moving_clip()
    one = replace(
        clip,
        observed=clip.observed[3:4],
        mask=clip.mask[3:4],
        frames=clip.frames[3:4],
        track=clip.track[3:4],
        frame_index=clip.frame_index[3:4],
    )
    scores = score_clip(one.observed, one)
    assert scores.keys() == score_clip(clip.observed, clip).keys()
    assert math.isnan(scores["tc"]) and math.isnan(scores["warp_error_hole"])
    assert scores["psnr_hole"] > 0


def test_an_unknown_ground_truth_is_refused() -> None:
    clip = replace(moving_clip(), frames=None)
    with pytest.raises(ValueError, match=r"'moving-0' has no ground truth \(frames is None\)"):
        score_clip(clip.observed, clip)


def test_a_change_outside_the_mask_is_refused() -> None:
    clip = moving_clip()
    restored = clip.observed.copy()
    restored[1, 0, :3] ^= 1
    with pytest.raises(ValueError, match="restored: 3 pixels outside the mask of 'moving-0'"):
        score_clip(restored, clip)


def test_another_length_is_refused() -> None:
    clip = moving_clip()
    with pytest.raises(ValueError, match=r"restored and clip.frames .*\(5, 48, 48, 3\)"):
        score_clip(clip.observed[:5], clip)


def test_a_clip_is_judged_by_its_own_truth_whoever_came_before() -> None:
    first, second = moving_clip(seed=0), moving_clip(seed=1)
    boxed = first.with_mask(np.ones_like(first.mask))
    alone = [score_clip(clip.observed, clip) for clip in (first, second, boxed)]
    for _ in range(2):
        mixed = [score_clip(clip.observed, clip) for clip in (boxed, first, second)]
        for found, expected in zip(mixed, (alone[2], alone[0], alone[1]), strict=True):
            assert found == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_the_uniform_window_needs_65_pixels() -> None:
    small, large = moving_clip(size=64), moving_clip(size=66)
    assert math.isnan(score_clip(small.observed, small)["ssim_w65"])
    assert 0.0 < score_clip(large.observed, large)["ssim_w65"] < 1.0
