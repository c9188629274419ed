import cv2
import numpy as np
import pytest
import torch
from tests.helpers.clips import moving_clip

from diffmvr.metrics.warp_error import TrueMotion, pair_warp_error, true_motion, warp


def as_video(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def known_motion(t: int, size: int, shift: int) -> TrueMotion:
    flow = torch.zeros(t - 1, 2, size, size, dtype=torch.float64)
    flow[:, 0] = shift
    visible = torch.ones(t - 1, size, size, dtype=torch.bool)
    visible[:, :, size - shift :] = False
    return TrueMotion(flow, visible)


def test_warp_agrees_with_opencv() -> None:
    generator = np.random.default_rng(0)
    image = generator.random((17, 23)).astype(np.float32)
    flow = generator.normal(0, 3, (17, 23, 2)).astype(np.float32)
    y, x = np.mgrid[:17, :23].astype(np.float32)
    expected = cv2.remap(
        image,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    got = warp(torch.from_numpy(image)[None, None], torch.from_numpy(flow).permute(2, 0, 1)[None])
    # OpenCV rounds positions to 1/32 pixel.
    np.testing.assert_allclose(got[0, 0], expected, atol=0.05)


def test_true_motion_finds_a_known_shift() -> None:
    clip = moving_clip(frames=3, size=64, shift=2)
    motion = true_motion(clip.frames)
    inner = motion.flow[:, :, 16:-16, 16:-16]
    assert (inner[:, 0] - 2).abs().mean() < 0.1
    assert inner[:, 1].abs().mean() < 0.1
    assert motion.visible[:, 16:-16, 16:-16].double().mean() > 0.95


def test_pixels_that_leave_the_frame_are_not_judged() -> None:
    clip = moving_clip(frames=3, size=64, shift=4)
    assert not true_motion(clip.frames).visible[:, 8:-8, -1].any()


def test_a_video_that_only_moves_has_no_error() -> None:
    clip = moving_clip(shift=2)
    error = pair_warp_error(as_video(clip.frames), known_motion(6, 48, 2))
    assert error.max() < 1e-20


def test_a_flickering_video_has_the_error_of_its_flicker() -> None:
    frames = torch.full((3, 3, 16, 16), 100.0)
    frames[1] += 51.0
    error = pair_warp_error(frames, known_motion(3, 16, 0))
    torch.testing.assert_close(error, torch.full((2,), 0.04, dtype=torch.float64))


def test_inside_the_hole_counts_correspondences_hidden_at_either_end() -> None:
    frames = torch.full((2, 3, 16, 16), 100.0)
    frames[1, :, :, 10:] = 151.0
    mask = torch.zeros(2, 1, 16, 16)
    motion = known_motion(2, 16, 0)
    mask[0, :, :, 4:8] = 1  # hidden first, unchanged
    assert pair_warp_error(frames, motion, mask)[0] < 1e-20
    mask[1, :, :, 12:16] = 1  # hidden afterwards, changed
    torch.testing.assert_close(
        pair_warp_error(frames, motion, mask), torch.tensor([0.02], dtype=torch.float64)
    )


def test_without_a_hole_there_is_no_score() -> None:
    frames = torch.zeros(2, 3, 16, 16)
    assert pair_warp_error(frames, known_motion(2, 16, 0), torch.zeros(2, 1, 16, 16)).isnan().all()


def test_frames_too_small_for_the_flow_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 12 × 12 pixels .*got 2 of 11 × 16"):
        true_motion(np.zeros((2, 11, 16, 3), np.uint8))


def test_a_video_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"video: expected shape \(3, any, 16, 16\), got \(2,"):
        pair_warp_error(torch.zeros(2, 3, 16, 16), known_motion(3, 16, 0))
