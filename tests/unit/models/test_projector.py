"""One MLP per guide; a guide that does not exist is its null embedding."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from diffmvr.models.projector import GuideProjector

FRAMES, TOKENS, WIDTH, CONTEXT = 4, 5, 6, 8


def projector(**changes: object) -> GuideProjector:
    torch.manual_seed(0)
    arguments = {
        "kinds": ("symmetric", "past"),
        "token_width": WIDTH,
        "cross_attention_dim": CONTEXT,
        "num_input_tokens": TOKENS,
        "num_tokens": TOKENS,
    }
    return GuideProjector(**{**arguments, **changes})


def embeds(tokens: int = TOKENS, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, FRAMES, tokens, WIDTH, generator=generator)


def all_valid() -> Tensor:
    return torch.ones(FRAMES, 2, dtype=torch.bool)


def test_each_guide_has_its_own_context() -> None:
    module = projector().eval()
    first, second = module(embeds(), all_valid())
    assert first.shape == second.shape == (FRAMES, TOKENS, CONTEXT)
    changed = embeds()
    changed[1] = 0.0
    again, other = module(changed, all_valid())
    assert torch.equal(again, first) and not torch.allclose(other, second)


def test_a_missing_guide_does_not_depend_on_its_image() -> None:
    module = projector().eval()
    valid = all_valid()
    valid[2, 1] = False
    _, past = module(embeds(), valid)
    _, other = module(embeds(seed=9), valid)
    torch.testing.assert_close(past[2], module.null["past"][0])
    torch.testing.assert_close(past[2], other[2], rtol=0, atol=0)
    assert (past[1] - other[1]).abs().max() > 0.1


def test_every_token_has_a_place() -> None:
    # Equal tokens leave as different ones: patches keep their position.
    module = projector().eval()
    same = torch.ones(2, FRAMES, TOKENS, WIDTH)
    first, _ = module(same, all_valid())
    assert (first[0, 0] - first[0, 1]).abs().max() > 1e-2


def test_a_pooled_vector_is_expanded() -> None:
    module = projector(num_input_tokens=1, num_tokens=4).eval()
    first, second = module(embeds(tokens=1), all_valid())
    assert first.shape == second.shape == (FRAMES, 4, CONTEXT)
    with pytest.raises(ValueError, match=r"num_tokens: .*num_input_tokens=5, got 8"):
        projector(num_tokens=8)


def test_dropout_learns_the_null_embedding_in_training_only() -> None:
    module = projector(dropout=1.0)
    dropped = module.train()(embeds(), all_valid())
    for tokens, kind in zip(dropped, ("symmetric", "past"), strict=True):
        torch.testing.assert_close(tokens, module.null[kind].expand(FRAMES, -1, -1))
    torch.stack(dropped).sum().backward()
    assert module.null["past"].grad.abs().sum() > 0
    kept = module.eval()(embeds(), all_valid())
    assert not torch.allclose(kept[0], dropped[0])


def test_dropout_follows_its_draws() -> None:
    module = projector(dropout=0.5).train()
    first, second, third = (
        torch.stack(module(embeds(), all_valid(), partial(torch.rand, generator=generator)))
        for generator in (torch.Generator().manual_seed(seed) for seed in (3, 3, 4))
    )
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_save_and_load(tmp_path: Path) -> None:
    module = projector(dropout=0.25).eval()
    module.save_pretrained(tmp_path)
    loaded = GuideProjector.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert loaded.config.dropout == 0.25 and tuple(loaded.config.kinds) == ("symmetric", "past")
    for before, after in zip(
        module(embeds(), all_valid()), loaded(embeds(), all_valid()), strict=True
    ):
        assert torch.equal(before, after)


def test_bad_inputs_are_named() -> None:
    module = projector()
    with pytest.raises(ValueError, match=r"guide_valid: expected shape \(any, 2\), got \(4, 1\)"):
        module(embeds(), all_valid()[:, :1])
    with pytest.raises(ValueError, match=r"image_embeds\[symmetric\]: expected shape \(3, "):
        module(embeds(), all_valid()[:3])
