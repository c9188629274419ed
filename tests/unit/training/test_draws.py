"""Parts of a step's draws are what the whole draws, and the whole is what a generator gives."""

import pytest
import torch

from diffmvr.training.draws import SharedDraws


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def drawn(draws: SharedDraws, count: int) -> list[torch.Tensor]:
    return [draws.uniform(count), draws.integers(1000, count), draws.normal((4 * count, 2, 3))]


def test_a_batch_that_is_the_whole_step_draws_as_its_generator() -> None:
    generator = seeded()
    expected = [
        torch.rand(6, generator=generator),
        torch.randint(0, 1000, (6,), generator=generator),
        torch.randn(24, 2, 3, generator=generator),
    ]
    assert all(map(torch.equal, drawn(SharedDraws(seeded()), 6), expected))


@pytest.mark.parametrize("parts", [2, 3])
def test_the_parts_together_are_the_whole(parts: int) -> None:
    whole = drawn(SharedDraws(seeded()), 6)
    shares = [drawn(SharedDraws(seeded(), part, parts), 6 // parts) for part in range(parts)]
    for expected, *pieces in zip(whole, *shares, strict=True):
        assert torch.equal(expected, torch.cat(pieces))


def test_there_is_no_part_beyond_the_last() -> None:
    with pytest.raises(ValueError, match="part: expected 0 to 1, got 2"):
        SharedDraws(seeded(), 2, 2)
