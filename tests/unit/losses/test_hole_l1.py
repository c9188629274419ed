import pytest
import torch

from diffmvr.losses.hole_l1 import HoleL1Loss


def test_each_term_is_the_mean_over_its_own_pixels() -> None:
    truth = torch.zeros(2, 1, 3, 4, 4)
    mask = torch.zeros(2, 1, 1, 4, 4)
    mask[0, :, :, :2, :3] = 1
    drawn = torch.where(mask == 1, 0.5, 0.25).expand_as(truth).clone()
    drawn[0, 0, 0, 0, 0] -= 6 * 3 * 0.1  # one of 6 hidden pixels × 3 channels
    losses = HoleL1Loss(hole_weight=2.0, visible_weight=4.0)(drawn, truth, mask)
    hole = (17 * 0.5 + abs(0.5 - 1.8)) / 18
    assert losses["hole"].item() == pytest.approx(hole)
    assert losses["visible"].item() == pytest.approx(0.25)
    assert losses["total"].item() == pytest.approx(2 * hole + 4 * 0.25)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_term_without_pixels_is_zero(value: float) -> None:
    drawn = torch.ones(1, 3, 4, 4)
    losses = HoleL1Loss()(drawn, torch.zeros_like(drawn), torch.full((1, 1, 4, 4), value))
    assert losses["total"].item() == 1.0
    assert losses["hole" if value == 0 else "visible"].item() == 0.0


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"visible_weight: must not be negative, got -1"):
        HoleL1Loss(visible_weight=-1)
    with pytest.raises(ValueError, match="drawn and truth must have the same shape"):
        HoleL1Loss()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 8), torch.zeros(1, 1, 4, 4))
