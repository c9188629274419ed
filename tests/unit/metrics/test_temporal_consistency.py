import numpy as np
import pytest
import torch

from diffmvr.metrics.temporal_consistency import TemporalConsistency, video_tc


def video(seed: int, t: int = 5, h: int = 12, w: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (t, 3, h, w), generator=generator, dtype=torch.uint8)


def test_is_equation_6() -> None:
    frames = video(0).numpy().astype(np.float64)
    flat = frames.reshape(5, -1)
    pairs = [np.linalg.norm(flat[t + 1] - flat[t]) ** 2 / (12 * 10 * 255**2) for t in range(4)]
    assert float(video_tc(video(0))) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_equals_the_papers_divisor_at_512() -> None:
    frames = video(0, t=2, h=512, w=512)
    change = np.diff(frames.numpy().astype(np.float64), axis=0)
    expected = (change**2).sum() / (512**2 * 255**2)
    assert float(video_tc(frames)) == pytest.approx(expected, rel=1e-12)


def test_a_frozen_video_scores_zero() -> None:
    assert video_tc(video(0)[:1].repeat(4, 1, 1, 1)) == 0.0


def test_does_not_depend_on_the_resolution() -> None:
    small = video(0)
    large = small.repeat_interleave(3, dim=-1).repeat_interleave(3, dim=-2)
    torch.testing.assert_close(video_tc(large), video_tc(small))


def test_inside_the_hole_counts_pixels_hidden_in_both_frames() -> None:
    frames = video(0, t=4)
    mask = torch.zeros(4, 1, 12, 10)
    mask[1, 0, 2:6, 2:6] = 1
    mask[2, 0, 4:8, 2:6] = 1
    a, b = frames[1, :, 4:6, 2:6].double(), frames[2, :, 4:6, 2:6].double()
    expected = (b - a).square().sum() / (8 * 255**2)
    torch.testing.assert_close(video_tc(frames, mask), expected)


def test_a_full_mask_is_the_whole_frame_and_an_empty_one_has_no_score() -> None:
    frames = video(0)
    full = torch.ones(5, 1, 12, 10)
    torch.testing.assert_close(video_tc(frames, full), video_tc(frames))
    assert video_tc(frames, 0 * full).isnan()


def test_the_metric_averages_over_videos_beside_the_ground_truth() -> None:
    ours, truth = [video(0), video(1, t=3)], [video(2), video(3, t=3)]
    metric = TemporalConsistency()
    for preds, target in zip(ours, truth, strict=True):
        metric.update(preds, target)
    own = torch.stack([video_tc(x) for x in ours])
    real = torch.stack([video_tc(x) for x in truth])
    scores = metric.compute()
    torch.testing.assert_close(scores["tc"], own.mean())
    torch.testing.assert_close(scores["tc_gt"], real.mean())
    torch.testing.assert_close(scores["tc_diff"], (own - real).abs().mean())


def test_a_batch_of_videos_equals_the_videos_one_by_one() -> None:
    preds, target = torch.stack([video(0), video(1)]), torch.stack([video(2), video(3)])
    mask = torch.zeros(2, 5, 1, 12, 10)
    mask[:, :, :, 3:, 3:] = 1
    batched, single = TemporalConsistency(inside_hole=True), TemporalConsistency(inside_hole=True)
    batched.update(preds, target, mask)
    for index in range(2):
        single.update(preds[index], target[index], mask[index])
    assert batched.compute() == single.compute()


def test_a_single_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"video: expected at least 2 frames, got 1"):
        video_tc(video(0, t=1))


def test_the_hole_needs_a_mask() -> None:
    with pytest.raises(ValueError, match=r"mask: .*inside_hole=True, got None"):
        TemporalConsistency(inside_hole=True).update(video(0), video(1))
