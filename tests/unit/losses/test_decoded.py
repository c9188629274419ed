"""The loss on the picture: inside the hole, of what the decoder shows."""

import math

import pytest
import torch

from diffmvr.losses import DecodedLoss

N, C, SIDE = 2, 3, 4


def upsample(latents: torch.Tensor) -> torch.Tensor:
    """A decoder of which the result is known: three channels, twice as large."""
    return latents.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def hole() -> torch.Tensor:
    mask = torch.zeros(N, 1, SIDE, SIDE)
    mask[:, :, 1:3, 1:3] = 1
    return mask


def test_it_is_the_mean_psnr_inside_the_hole_up_to_scale() -> None:
    estimate, clean, mask = torch.randn(N, C, SIDE, SIDE), torch.randn(N, C, SIDE, SIDE), hole()
    errors = (estimate - clean)[:, :, 1:3, 1:3].square().mean(dim=(1, 2, 3))
    psnr = 10 * torch.log10(4 / errors)  # of a range of 2
    loss = DecodedLoss()(estimate, clean, mask, upsample)
    torch.testing.assert_close(40 - 10 / math.log(10) * loss, psnr.mean(), atol=0.01, rtol=0)
    estimate[:, :, 0] += 9  # not hidden
    torch.testing.assert_close(DecodedLoss()(estimate, clean, mask, upsample), loss)


def test_what_is_better_than_40_db_counts_no_more() -> None:
    clean = torch.randn(N, C, SIDE, SIDE)
    exact = DecodedLoss()(clean, clean, hole(), upsample)
    assert exact == pytest.approx(0, abs=1e-6)


def test_the_gradient_reaches_the_estimate_and_not_the_truth() -> None:
    estimate = torch.randn(N, C, SIDE, SIDE, requires_grad=True)
    clean = torch.randn(N, C, SIDE, SIDE, requires_grad=True)
    DecodedLoss()(estimate, clean, hole(), upsample).backward()
    assert estimate.grad.abs().sum() > 0 and clean.grad is None


def test_frames_without_a_hole_do_not_count() -> None:
    clean, mask = torch.randn(N, C, SIDE, SIDE), hole()
    assert DecodedLoss()(clean + 1, clean, torch.zeros_like(mask), upsample) == 0
    mask[1] = 0
    error = clean + torch.tensor([1.0, 50.0]).view(2, 1, 1, 1)
    one = DecodedLoss()(error[:1], clean[:1], mask[:1], upsample)
    torch.testing.assert_close(DecodedLoss()(error, clean, mask, upsample), one)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss.decoded.weight: must not be negative, got -1"):
        DecodedLoss(-1)
