"""Where eyes, brows and mouth are, and what it is to weigh errors there."""

import pytest
import torch
from tests.helpers.tiny import tiny_scheduler

from diffmvr.losses import DecodedLoss, DenoisingLoss
from diffmvr.losses.expressive import expressive_area

SIDE, CELLS = 64, 16
FACE = torch.tensor([[16.0, 0.0, 32.0], [0.0, 16.0, 26.0]])
"""A face whose eyes are 16 pixels apart, between them (32, 26)."""

TIMESTEPS = torch.tensor([10])


def area(similarity: torch.Tensor = FACE) -> torch.Tensor:
    return expressive_area(similarity[None], (SIDE, SIDE), (CELLS, CELLS))


def cell(x: float, y: float, similarity: torch.Tensor = FACE) -> tuple[int, int]:
    """Return row and column of a place of the canonical face."""
    column, row = similarity @ torch.tensor([x, y, 1.0]) * CELLS / SIDE
    return int(row), int(column)


def test_it_is_where_a_face_says_something() -> None:
    found = area()[0, 0]
    for place in ((-0.5, 0.0), (0.5, 0.0), (-0.7, -0.3), (0.0, 1.05), (0.4, 1.1)):
        assert found[cell(*place)] == 1, place
    for place in ((0.0, -1.0), (0.0, 0.45), (-1.3, 0.8), (1.3, 0.8)):
        assert found[cell(*place)] < 0.2, place
    assert 0.1 < found.mean() < 0.4


def test_it_goes_where_the_face_goes() -> None:
    # Mirrored, and four pixels (a cell) to the right: the area is symmetric.
    shifted = FACE + torch.tensor([[0.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    mirrored = shifted * torch.tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(area(shifted)[..., 1:], area()[..., :-1])
    torch.testing.assert_close(area(mirrored), area(shifted))
    # Turned by a quarter: rows are columns.
    turned = torch.tensor([[0.0, -16.0, 63 - 26.0], [16.0, 0.0, 32.0]])
    torch.testing.assert_close(area(turned), area().rot90(-1, (2, 3)), atol=1e-4, rtol=0)


def test_a_weight_of_1_is_the_loss_without_it_to_the_last_bit() -> None:
    prediction, target, mask, decoder = pair()
    for options in ({}, {"hole_weight": 4.0}, {"snr_weighting": "min_snr"}):
        plain, weighed = (
            DenoisingLoss(**options)(prediction, target, mask, tiny_scheduler(), TIMESTEPS, where)
            for where in (None, area())
        )
        assert torch.equal(plain, weighed)
    plain, weighed = (
        DecodedLoss(1.0)(prediction, target, mask, decoder, where) for where in (None, area())
    )
    assert torch.equal(plain, weighed)


@pytest.mark.parametrize("decoded", [False, True])
def test_the_mouth_pulls_more_than_the_cheek(decoded: bool) -> None:
    _, target, mask, decoder = pair()
    mouth, cheek = cell(0.0, 1.1), cell(1.3, 0.8)
    pulls = []
    for weight in (1.0, 5.0):
        # The same error everywhere.
        prediction = (target + 1.0).requires_grad_()
        if decoded:
            loss = DecodedLoss(1.0, weight)(prediction, target, mask, decoder, area())
        else:
            loss = DenoisingLoss(expression_weight=weight)(
                prediction, target, mask, tiny_scheduler(), TIMESTEPS, area()
            )
        (gradient,) = torch.autograd.grad(loss, prediction)
        size = gradient.abs().sum(dim=1)[0]
        pulls.append(size[mouth] / size[cheek])
        # The mean of weights is 1: an error that is everywhere costs what it cost.
        if not decoded:
            assert loss.item() == pytest.approx(1.0, rel=1e-5)
    assert pulls == pytest.approx([1.0, 5.0], rel=1e-4)


def test_a_weight_without_a_face_and_bad_weights_are_named() -> None:
    prediction, target, mask, decoder = pair()
    with pytest.raises(ValueError, match=r"loss\.denoising\.expression_weight: got 2\.0, and this"):
        DenoisingLoss(expression_weight=2.0)(prediction, target, mask, tiny_scheduler(), TIMESTEPS)
    with pytest.raises(ValueError, match=r"loss\.decoded\.expression_weight: got 2\.0, and this"):
        DecodedLoss(1.0, 2.0)(prediction, target, mask, decoder)
    with pytest.raises(ValueError, match=r"expression_weight: expected at least 1, got 0\.5"):
        DenoisingLoss(expression_weight=0.5)
    with pytest.raises(ValueError, match=r"expression_weight: expected at least 1, got nan"):
        DecodedLoss(1.0, float("nan"))
    with pytest.raises(ValueError, match=r"similarity: expected shape \(any, 2, 3\)|similarity"):
        expressive_area(FACE, (SIDE, SIDE), (CELLS, CELLS))


def pair() -> tuple:
    """Return prediction, target, a mask that hides all, and a decoder."""
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, 1, 3, CELLS, CELLS, generator=generator).unbind()
    return prediction, target, torch.ones(1, 1, CELLS, CELLS), lambda latents: latents
