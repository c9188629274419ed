import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from diffmvr.metrics.psnr import MAX_PSNR, frame_psnr, pooled_psnr


def images(seed: int, n: int = 4, size: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)


def hole(n: int = 4, size: int = 20) -> torch.Tensor:
    mask = torch.zeros(n, 1, size, size)
    for frame in range(1, n):
        mask[frame, 0, 3 : 5 + frame, 2:9] = 1
    return mask


def test_agrees_with_skimage() -> None:
    a, b = images(0), images(1)
    expected = [
        peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=255)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(frame_psnr(a, b), expected, rtol=1e-12)


def test_inside_the_hole_only_hidden_pixels_count() -> None:
    a, b, mask = images(0), images(1), hole()
    for frame in range(1, 4):
        hidden = mask[frame, 0].bool()
        x, y = a[frame][:, hidden].double(), b[frame][:, hidden].double()
        expected = 10 * torch.log10(255**2 / ((x - y) ** 2).mean())
        assert frame_psnr(a, b, mask)[frame] == pytest.approx(float(expected), rel=1e-12)
    elsewhere = torch.where(mask.bool(), a, images(2))
    assert torch.equal(
        frame_psnr(elsewhere, b, mask).nan_to_num(), frame_psnr(a, b, mask).nan_to_num()
    )


def test_a_full_mask_is_the_whole_frame() -> None:
    a, b = images(0), images(1)
    full = torch.ones(4, 1, 20, 20)
    torch.testing.assert_close(frame_psnr(a, b, full), frame_psnr(a, b), rtol=1e-12, atol=0)


def test_identical_images_score_the_stated_maximum() -> None:
    assert frame_psnr(images(0), images(0)).tolist() == [MAX_PSNR] * 4


def test_a_frame_without_a_hole_has_no_score() -> None:
    scores = frame_psnr(images(0), images(1), hole())
    assert scores.isnan().tolist() == [True, False, False, False]


def test_pooled_psnr_weighs_frames_by_their_hole() -> None:
    a, b, mask = images(0), images(1), hole()
    hidden = mask[:, 0].bool()[:, None].expand_as(a)
    error = (a[hidden].double() - b[hidden].double()).square().mean()
    assert pooled_psnr(a, b, mask) == pytest.approx(float(10 * torch.log10(255**2 / error)))
