import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from tests.helpers.clips import smooth_texture
from torchmetrics.functional.image import structural_similarity_index_measure

from diffmvr.metrics.ssim import frame_ssim, frame_ssim_w65, ssim_map


def pair(n: int = 3, height: int = 40, width: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    target = np.stack([smooth_texture(height, width, seed) for seed in range(n)])
    noise = np.random.default_rng(9).normal(0, 20, target.shape)
    preds = np.clip(target + noise, 0, 255).astype(np.uint8)
    first, second = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (preds, target))
    return first, second


def skimage_ssim(x: torch.Tensor, y: torch.Tensor) -> tuple[float, np.ndarray]:
    return structural_similarity(
        x.numpy(),
        y.numpy(),
        channel_axis=0,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )


def test_the_map_agrees_with_skimage_away_from_the_border() -> None:
    preds, target = pair()
    ours = ssim_map(preds, target)
    for index in range(len(preds)):
        mean, full = skimage_ssim(preds[index], target[index])
        inner = ours[index, 5:-5, 5:-5]
        np.testing.assert_allclose(inner, full.mean(axis=0)[5:-5, 5:-5], atol=1e-10)
        assert float(inner.mean()) == pytest.approx(mean, abs=1e-10)


def test_the_whole_frame_agrees_with_torchmetrics() -> None:
    preds, target = pair()
    expected = structural_similarity_index_measure(
        preds.double(), target.double(), sigma=1.5, data_range=255.0, reduction="none"
    )
    torch.testing.assert_close(frame_ssim(preds, target), expected, rtol=0, atol=1e-10)


def test_identical_images_score_one_even_where_flat() -> None:
    _, target = pair()
    flat = torch.full_like(target, 77)
    torch.testing.assert_close(frame_ssim(target, target), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(frame_ssim(flat, flat), torch.ones(3, dtype=torch.float64))


def test_it_is_symmetric_in_its_arguments() -> None:
    preds, target = pair()
    torch.testing.assert_close(frame_ssim(preds, target), frame_ssim(target, preds))


def test_inside_the_hole_is_the_mean_of_the_map_there() -> None:
    preds, target = pair()
    mask = torch.zeros(3, 1, 40, 32)
    mask[1:, 0, 10:20, 5:25] = 1
    similarity = ssim_map(preds, target)
    scores = frame_ssim(preds, target, mask)
    assert scores[0].isnan()
    torch.testing.assert_close(scores[1:], similarity[1:, 10:20, 5:25].mean(dim=(1, 2)))


def test_frames_smaller_than_half_a_window_are_refused() -> None:
    tiny = torch.zeros(1, 3, 5, 9)
    with pytest.raises(ValueError, match=r"at least 6 pixels.*got \(5, 9\)"):
        frame_ssim(tiny, tiny)


def test_the_uniform_window_agrees_with_skimage() -> None:
    preds, target = pair(n=2, height=70, width=65)
    scores = frame_ssim_w65(preds, target)
    for index in range(2):
        expected = structural_similarity(
            preds[index].double().numpy(),
            target[index].double().numpy(),
            win_size=65,
            channel_axis=0,
            data_range=255,
        )
        assert float(scores[index]) == pytest.approx(float(expected), abs=1e-9)


def test_a_frame_below_the_uniform_window_has_no_score() -> None:
    preds, target = pair(n=2, height=64, width=80)
    assert frame_ssim_w65(preds, target).isnan().all()
    with pytest.raises(ValueError, match="preds and target must have the same shape"):
        frame_ssim_w65(preds, target[:1])
