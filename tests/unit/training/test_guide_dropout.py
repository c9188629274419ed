"""Guides that are left out in training: which, in which clips, and what goes with them."""

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from diffmvr.models.conditioning import Conditions
from diffmvr.training.draws import SharedDraws
from diffmvr.training.guide_dropout import GuideDropout

CLIPS, FRAMES = 40, 2
KINDS = ("symmetric", "past")


def conditions() -> Conditions:
    """Whole clips in which every guide exists and nothing is zero."""
    n = CLIPS * FRAMES
    draw = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw) + 0.5

    return Conditions(
        mask=some(n, 1, 2, 2),
        masked_latents=some(n, 3, 2, 2),
        guide_latents=some(n, len(KINDS), 3, 2, 2),
        image_embeds=some(len(KINDS), n, 5, 4),
        guide_valid=torch.ones(n, len(KINDS), dtype=torch.bool),
        reference_latents=some(n, 3, 2, 2),
    )


def dropped(shares: float | dict[str, float], seed: int = 0) -> Conditions:
    draws = SharedDraws(torch.Generator().manual_seed(seed))
    return GuideDropout(shares, KINDS)(conditions(), CLIPS, draws)


def is_there(latents: Tensor) -> Tensor:
    """``[N]``; latents are zeroed as a whole or not at all."""
    shown = latents.flatten(1) != 0
    assert torch.equal(shown.all(dim=1), shown.any(dim=1))
    return shown.any(dim=1)


def test_the_past_goes_with_its_reference_and_the_mirror_stays() -> None:
    got, before = dropped({"past": 0.4}), conditions()
    there = is_there(got.guide_latents[:, 1])
    assert torch.equal(got.guide_valid[:, 1], there)
    assert torch.equal(is_there(got.reference_latents), there)
    assert torch.equal(there[::FRAMES], there[1::FRAMES])  # whole clips
    assert 0.4 < there.float().mean() < 0.8
    assert torch.equal(got.guide_latents[:, 0], before.guide_latents[:, 0])
    assert got.guide_valid[:, 0].all()
    assert torch.equal(got.guide_latents[there], before.guide_latents[there])
    assert torch.equal(got.image_embeds, before.image_embeds)


def test_the_mirror_goes_alone() -> None:
    got = dropped({"symmetric": 1.0, "past": 0.0})
    assert not got.guide_valid[:, 0].any() and not got.guide_latents[:, 0].any()
    assert got.guide_valid[:, 1].all() and is_there(got.reference_latents).all()


def test_each_kind_is_left_out_by_itself() -> None:
    valid = dropped({"symmetric": 0.5, "past": 0.5}).guide_valid[::FRAMES]
    for mirror in (True, False):
        for past in (True, False):
            assert ((valid[:, 0] == mirror) & (valid[:, 1] == past)).any()


def test_one_number_leaves_out_all_latents_at_once_and_no_tokens() -> None:
    got = dropped(0.3)
    there = is_there(got.guide_latents)
    assert 0.5 < there.float().mean() < 0.9
    assert torch.equal(is_there(got.reference_latents), there)
    assert got.guide_valid.all()


@pytest.mark.parametrize("shares", [0.0, {}, {"past": 0.0}])
def test_nothing_is_left_out_and_nothing_drawn(shares: float | dict[str, float]) -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    got = GuideDropout(shares, KINDS)(conditions(), CLIPS, SharedDraws(generator))
    assert torch.equal(generator.get_state(), before)
    for field in fields(Conditions):
        assert torch.equal(getattr(got, field.name), getattr(conditions(), field.name))


def test_without_the_latents_pathway_the_tokens_alone_go() -> None:
    tokens = conditions()
    bare = Conditions(
        **{**vars(tokens), "guide_latents": tokens.guide_latents[:, :0]},
    )
    draws = SharedDraws(torch.Generator().manual_seed(0))
    got = GuideDropout({"past": 1.0}, KINDS)(bare, CLIPS, draws)
    assert not got.guide_valid[:, 1].any() and got.guide_latents.shape == bare.guide_latents.shape


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (1.5, r"model\.guide_latent_dropout: expected a number in \[0, 1\], got 1\.5"),
        ({"past": -1}, r"guide_latent_dropout\.past: .*got -1"),
        ({"present": 0.1}, r"guide_latent_dropout: expected one of .*got 'present'"),
    ],
)
def test_shares_that_cannot_be_are_named(shares: float | dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GuideDropout(shares, KINDS)
