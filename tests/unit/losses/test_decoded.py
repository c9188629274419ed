"""The loss on the picture: inside the hole, of what the decoder shows."""

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


def test_it_is_the_mean_squared_error_inside_the_hole() -> None:
    estimate, clean, mask = torch.randn(N, C, SIDE, SIDE), torch.randn(N, C, SIDE, SIDE), hole()
    expected = (estimate - clean)[:, :, 1:3, 1:3].square().mean()
    torch.testing.assert_close(DecodedLoss()(estimate, clean, mask, upsample), expected)
    estimate[:, :, 0] += 9  # not hidden
    torch.testing.assert_close(DecodedLoss()(estimate, clean, mask, upsample), expected)
    assert DecodedLoss()(clean, clean, mask, upsample) == 0


def test_the_gradient_reaches_the_estimate_and_not_the_truth() -> None:
    estimate = torch.randn(N, C, SIDE, SIDE, requires_grad=True)
    clean = torch.randn(N, C, SIDE, SIDE, requires_grad=True)
    DecodedLoss()(estimate, clean, hole(), upsample).backward()
    assert estimate.grad.abs().sum() > 0 and clean.grad is None


def test_nothing_hidden_is_no_loss() -> None:
    clean = torch.randn(N, C, SIDE, SIDE)
    assert DecodedLoss()(clean + 1, clean, torch.zeros(N, 1, SIDE, SIDE), upsample) == 0


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss.decoded.weight: must not be negative, got -1"):
        DecodedLoss(-1)
