"""What validation logs are the scores of the benchmark, clip by clip."""

import numpy as np
import pytest
import torch
from tests.helpers.clips import moving_clip

from diffmvr.metrics.clip_scores import score_clip
from diffmvr.metrics.hole_scores import HoleScores
from diffmvr.structures import Clip, UInt8Array, to_pixel_values

NAMES = ["psnr_hole", "ssim_hole", "tc_hole", "tc_hole_gt", "tc_hole_diff"]


def drawn_over(clip: Clip, seed: int) -> UInt8Array:
    noise = np.random.default_rng(seed).integers(0, 256, clip.frames.shape, dtype=np.uint8)
    return np.where(clip.mask[..., None] != 0, noise, clip.observed)


def feed(scores: HoleScores, clip: Clip, restored: UInt8Array, outside: float = 0.0) -> None:
    mask = torch.from_numpy(clip.mask)[:, None].float()
    drawn = to_pixel_values(restored) * mask + outside * (1 - mask)
    scores.update(drawn[None], to_pixel_values(clip.frames)[None], mask[None])


def test_they_are_the_benchmarks_scores_averaged_over_clips() -> None:
    clips = [moving_clip(seed=seed) for seed in range(2)]
    restored = [drawn_over(clip, seed) for seed, clip in enumerate(clips)]
    scores = HoleScores()
    for clip, frames in zip(clips, restored, strict=True):
        # What a network draws where nothing is hidden is not looked at.
        feed(scores, clip, frames, outside=0.7)
    found = {name: float(value) for name, value in scores.compute().items()}
    assert list(found) == NAMES
    expected = [score_clip(frames, clip) for frames, clip in zip(restored, clips, strict=True)]
    for name in NAMES:
        key = "psnr_hole_pooled" if name == "psnr_hole" else name
        assert found[name] == pytest.approx(np.mean([one[key] for one in expected]), rel=1e-6)


def test_a_clip_without_a_hole_and_a_single_frame_leave_the_means_alone() -> None:
    clip = moving_clip()
    restored = drawn_over(clip, 0)
    scores, alone = HoleScores(), HoleScores()
    feed(scores, clip, restored)
    feed(alone, clip, restored)
    truth = to_pixel_values(clip.frames)[None]
    scores.update(truth, truth, torch.zeros(1, len(clip), 1, *truth.shape[-2:]))
    assert scores.compute() == alone.compute()
    scores.update(truth[:, :1], truth[:, :1], torch.ones(1, 1, 1, *truth.shape[-2:]))
    assert scores.compute()["tc_hole"] == alone.compute()["tc_hole"]
    scores.reset()
    feed(scores, clip, restored)
    assert scores.compute() == alone.compute()


def test_values_beyond_the_range_are_cut_off() -> None:
    truth, mask = torch.ones(1, 2, 3, 12, 12), torch.ones(1, 2, 1, 12, 12)
    scores = HoleScores()
    scores.update(3 * truth, truth, mask)
    assert scores.compute()["psnr_hole"] == 100.0
    with pytest.raises(ValueError, match=r"drawn and truth .*\(1, 1, 3, 12, 12\)"):
        scores.update(truth[:, :1], truth, mask)
