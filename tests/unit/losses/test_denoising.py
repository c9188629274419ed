"""Eq. 1 and its two optional weightings."""

import pytest
import torch
import torch.nn.functional as F
from tests.helpers.tiny import tiny_scheduler

from diffmvr.losses.denoising import DenoisingLoss, denoising_loss

SHAPE = (3, 2, 4, 4)
TIMESTEPS = torch.tensor([10, 400, 990])


def random_pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, *SHAPE, generator=generator).unbind()
    mask = (torch.rand(3, 1, 4, 4, generator=generator) < 0.4).float()
    return prediction, target, mask


def test_the_papers_loss_is_the_mean_squared_error() -> None:
    prediction, target, mask = random_pair()
    expected = F.mse_loss(prediction, target)
    torch.testing.assert_close(denoising_loss(prediction, target), expected)
    loss = DenoisingLoss()(prediction, target, mask, tiny_scheduler(), TIMESTEPS)
    torch.testing.assert_close(loss, expected)


def test_spatial_weights_by_hand() -> None:
    # Frame 0: errors 1 and 3, the second hidden.  Frame 1: errors 2 and 0, nothing hidden.
    prediction = torch.tensor([[[[1.0, 3.0]]], [[[2.0, 0.0]]]])
    mask = torch.tensor([[[[0.0, 1.0]]], [[[0.0, 0.0]]]])
    loss = DenoisingLoss(hole_weight=4)(
        prediction, torch.zeros_like(prediction), mask, tiny_scheduler(), TIMESTEPS[:2]
    )
    expected = ((1 * 1 + 4 * 9) / (1 + 4) + (4 + 0) / 2) / 2
    assert loss.item() == pytest.approx(expected)


def test_weights_do_not_change_the_scale() -> None:
    # An error of the same size everywhere costs the same whatever the weights.
    prediction = torch.full(SHAPE, 3.0)
    weight = 1 + 10 * torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    loss = denoising_loss(prediction, torch.zeros(SHAPE), weight)
    assert loss.item() == pytest.approx(9.0, rel=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_against_its_formula(kind: str, gamma: float) -> None:
    prediction, target, mask = random_pair()
    scheduler = tiny_scheduler(kind)
    loss = DenoisingLoss(snr_weighting="min_snr", snr_gamma=gamma)(
        prediction, target, mask, scheduler, TIMESTEPS
    )
    # Hang et al. 2023: w = min(SNR, γ) / SNR for ε, and over SNR + 1 for v.
    cumulative = scheduler.alphas_cumprod.double()[TIMESTEPS]
    snr = cumulative / (1 - cumulative)
    weight = snr.clamp(max=gamma) / (snr + 1 if kind == "v_prediction" else snr)
    per_frame = (prediction - target).double().square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss.double(), (weight * per_frame).mean(), rtol=1e-4, atol=1e-6)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"hole_weight: expected at least 1, got 0\.5"):
        DenoisingLoss(hole_weight=0.5)
    with pytest.raises(ValueError, match=r"snr_weighting: .*got 'snr'"):
        DenoisingLoss(snr_weighting="snr")
    with pytest.raises(ValueError, match=r"prediction and target .*\(1, 2, 3, 4\)"):
        denoising_loss(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match=r"prediction: .*got \(2, 3\)"):
        denoising_loss(torch.zeros(2, 3), torch.zeros(2, 3))
