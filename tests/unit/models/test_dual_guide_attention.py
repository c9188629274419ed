"""A_fused = Σ α_g softmax(Q K_gᵀ / √D) V_g, inside real diffusers attention layers."""

import math
from collections.abc import Sequence

import pytest
import torch
from diffusers.models.attention_processor import Attention
from tests.helpers.tiny import CROSS_ATTENTION_DIM, plain_unet
from torch import Tensor

from diffmvr.models.dual_guide_attention import (
    DualGuideAttnProcessor,
    guide_processors,
    install_guide_attention,
    set_guide_scales,
)

CHANNELS, HEADS, CONTEXT = 8, 2, 6
SAMPLES, QUERIES, TOKENS = 2, 5, 3
KINDS = ("symmetric", "past")


def layer(fusion: str = "fixed", scales: Sequence[float] = (0.5, 0.5), kinds=KINDS) -> Attention:
    """A diffusers cross-attention layer with guides, in float64."""
    torch.manual_seed(0)
    attn = Attention(CHANNELS, cross_attention_dim=CONTEXT, heads=HEADS, dim_head=CHANNELS // HEADS)
    attn.set_processor(DualGuideAttnProcessor(CHANNELS, CONTEXT, kinds, fusion, scales))
    return attn.double()


def inputs(tokens: int = TOKENS, guides: int = 2, seed: int = 1) -> tuple[Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    options = {"generator": generator, "dtype": torch.float64}
    hidden = torch.randn(SAMPLES, QUERIES, CHANNELS, **options)
    return hidden, [torch.randn(SAMPLES, tokens, CONTEXT, **options) for _ in range(guides)]


def attend(attn: Attention, hidden: Tensor, context: Sequence[Tensor]) -> Tensor:
    return attn(hidden, encoder_hidden_states=tuple(context))


def by_hand(attn: Attention, hidden: Tensor, context: Sequence[Tensor], scales: Tensor) -> Tensor:
    """The equation, sample by sample, head by head; ``scales`` is ``[G]`` or ``[N, S, G]``."""
    processor, width = attn.processor, CHANNELS // HEADS
    fused = torch.zeros_like(hidden)
    for n in range(len(hidden)):
        query = hidden[n] @ attn.to_q.weight.T
        for g, (kind, tokens) in enumerate(zip(processor.kinds, context, strict=True)):
            key = tokens[n] @ processor.to_k[kind].weight.T
            value = tokens[n] @ processor.to_v[kind].weight.T
            alpha = scales[g] if scales.ndim == 1 else scales[n, :, g, None]
            for head in range(HEADS):
                part = slice(head * width, (head + 1) * width)
                scores = query[:, part] @ key[:, part].T / math.sqrt(width)
                weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
                fused[n, :, part] += (alpha * (weights @ value[:, part])).detach()
    return fused @ attn.to_out[0].weight.T + attn.to_out[0].bias


@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.9, 0.1), (-1.0, 2.0)])
def test_fixed_fusion_is_the_equation(scales: tuple[float, float]) -> None:
    attn, (hidden, context) = layer(scales=scales), inputs()
    expected = by_hand(attn, hidden, context, torch.tensor(scales, dtype=torch.float64))
    torch.testing.assert_close(attend(attn, hidden, context), expected, rtol=1e-10, atol=1e-12)


def test_learned_fusion_is_a_softmax_pair() -> None:
    attn, (hidden, context) = layer("learned"), inputs()
    logits = torch.tensor([0.3, -1.2], dtype=torch.float64)
    attn.processor.fusion.logits.data.copy_(logits)
    expected = by_hand(attn, hidden, context, logits.exp() / logits.exp().sum())
    torch.testing.assert_close(attend(attn, hidden, context), expected, rtol=1e-10, atol=1e-12)


def test_gated_fusion_weighs_each_query_token() -> None:
    attn, (hidden, context) = layer("gated"), inputs()
    gate = attn.processor.fusion.gate
    torch.nn.init.normal_(gate.weight)
    torch.nn.init.normal_(gate.bias)
    logits = (hidden @ attn.to_q.weight.T) @ gate.weight.T + gate.bias
    expected = by_hand(attn, hidden, context, logits.softmax(dim=-1).detach())
    torch.testing.assert_close(attend(attn, hidden, context), expected, rtol=1e-10, atol=1e-12)
    assert logits.softmax(dim=-1).std(dim=1).min() > 1e-3, "every token has its own α here"


@pytest.mark.parametrize("fusion", ["learned", "gated"])
def test_trained_fusions_start_as_equal_weights_and_can_learn(fusion: str) -> None:
    attn, (hidden, context) = layer(fusion), inputs()
    output = attend(attn, hidden, context)
    equal = torch.tensor([0.5, 0.5], dtype=torch.float64)
    torch.testing.assert_close(output, by_hand(attn, hidden, context, equal))
    output.square().sum().backward()
    own = attn.processor.fusion
    parameter = own.logits if fusion == "learned" else own.gate.weight
    assert parameter.grad.norm() > 0


def test_one_token_makes_the_attention_ignore_its_query() -> None:
    attn = layer()
    hidden, context = inputs(tokens=1)
    other, _ = inputs(seed=7)
    first, second = attend(attn, hidden, context), attend(attn, other, context)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-14)
    torch.testing.assert_close(first[:, :1].expand_as(first), first, rtol=0, atol=1e-14)
    # With more tokens the query matters.
    several = inputs(tokens=TOKENS)[1]
    assert (attend(attn, hidden, several) - attend(attn, other, several)).abs().max() > 1e-3


@pytest.mark.parametrize("guide", [0, 1])
def test_all_weight_on_one_guide_is_single_guidance(guide: int) -> None:
    scales = (1.0, 0.0) if guide == 0 else (0.0, 1.0)
    dual, single = layer(scales=scales), layer(scales=(1.0,), kinds=KINDS[guide : guide + 1])
    hidden, context = inputs()
    kept = {
        key: value
        for key, value in dual.state_dict().items()
        if not key.startswith("processor.") or KINDS[guide] in key
    }
    single.load_state_dict(kept, strict=True)
    expected = attend(single, hidden, context[guide : guide + 1])
    torch.testing.assert_close(attend(dual, hidden, context), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("fusion", ["fixed", "learned", "gated"])
def test_the_users_scales_override_every_fusion_and_go_again(fusion: str) -> None:
    unet = plain_unet(in_channels=4)
    install_guide_attention(unet, KINDS, fusion, (0.25, 0.75))
    (_, processor), *_ = guide_processors(unet)
    query = torch.randn(2, 3, 32)
    own = processor.guide_weights(query)
    set_guide_scales(unet, (0.0, 0.0))
    for _, each in guide_processors(unet):
        assert each.guide_weights(query).tolist() == [0.0, 0.0]
    set_guide_scales(unet, None)
    torch.testing.assert_close(processor.guide_weights(query), own)


def test_zero_scales_leave_the_output_bias_alone() -> None:
    attn, (hidden, context) = layer(scales=(0.0, 0.0)), inputs()
    torch.testing.assert_close(
        attend(attn, hidden, context), attn.to_out[0].bias.expand(SAMPLES, QUERIES, -1)
    )


def test_every_cross_attention_layer_starts_from_its_own_keys_and_values() -> None:
    base, unet = plain_unet(in_channels=4), plain_unet(in_channels=4)
    install_guide_attention(unet, KINDS, "fixed", (0.5, 0.5))
    own = {n: m for n, m in base.named_modules() if isinstance(m, Attention)}
    cross = {n for n, m in own.items() if m.is_cross_attention}
    layers = dict(guide_processors(unet))
    assert set(layers) == cross and len(cross) == 4
    for name, processor in layers.items():
        for kind in KINDS:
            assert torch.equal(processor.to_k[kind].weight, own[name].to_k.weight)
            assert torch.equal(processor.to_v[kind].weight, own[name].to_v.weight)
        weights = [processor.to_k[kind].weight for kind in KINDS]
        assert weights[0].data_ptr() != weights[1].data_ptr(), "each guide has its own"
    state = unet.state_dict()
    assert not any(f"{name}.to_k.weight" in state for name in cross), "the base's own are gone"


def test_wrong_contexts_are_named() -> None:
    attn, (hidden, context) = layer(), inputs()
    with pytest.raises(ValueError, match=r"one tensor per guide .*symmetric.*got 1 tensors"):
        attend(attn, hidden, context[:1])
    with pytest.raises(ValueError, match=r"encoder_hidden_states: .*got Tensor"):
        attn(hidden, encoder_hidden_states=context[0])
    with pytest.raises(ValueError, match=r"encoder_hidden_states: .*got NoneType"):
        attn(hidden)
    with pytest.raises(ValueError, match="attention_mask"):
        attn.processor(attn, hidden, tuple(context), attention_mask=torch.zeros(1))


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"guide\.fusion: .mine:sum.: No module named .mine."):
        DualGuideAttnProcessor(CHANNELS, CONTEXT, KINDS, "mine:sum")
    with pytest.raises(ValueError, match=r"guide_scales: .*\('symmetric', 'past'\), got \(1\.0,\)"):
        DualGuideAttnProcessor(CHANNELS, CONTEXT, KINDS, scales=(1.0,))
    unet = plain_unet(in_channels=4)
    install_guide_attention(unet, KINDS, "fixed", (0.5, 0.5))
    with pytest.raises(ValueError, match=r"guide_scales: .*nan"):
        set_guide_scales(unet, (0.5, float("nan")))


def test_a_u_net_takes_one_context_per_guide() -> None:
    unet = plain_unet(in_channels=4)
    install_guide_attention(unet, KINDS, "fixed", (0.5, 0.5))
    context = tuple(torch.randn(2, 3, CROSS_ATTENTION_DIM) for _ in KINDS)
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        both = unet(latents, 10, context).sample
        swapped = unet(latents, 10, (context[1], context[0])).sample
    assert both.shape == latents.shape
    # Both sources are equal at the start, and so are the weights: the order cannot matter.
    torch.testing.assert_close(both, swapped)
