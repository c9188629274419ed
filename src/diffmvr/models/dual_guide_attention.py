"""Fused attention (paper 3.2, Mod_3): A_fused = α₁ A¹ + α₂ A².

N samples, S queries (latent cells), G guides, L tokens per guide, h heads, D channels per head,
C = h · D channels of the layer, p' channels of the context.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from diffmvr.models.fusion import build_fusion
from diffmvr.models.guide_settings import check_guide_scales
from diffmvr.own_code import part_name


class DualGuideAttnProcessor(nn.Module):
    """Cross-attention with one key/value source per guide and one shared query.

    For guide g with tokens z_g: ``A^g = softmax(Q K_gᵀ / √D) V_g`` with ``K_g = z_g W_K^g`` and
    ``V_g = z_g W_V^g``; the result is ``Σ_g α_g A^g``.  It *replaces* text cross-attention.

    (Not to be mixed up with diffusers' "Fused…AttnProcessor", which fuses the QKV projections.)

    Args:
        channels: C, width of the layer.
        cross_attention_dim: p', width of the guide tokens.
        kinds: names of the guides.
        fusion: what gives α; see ``fusion.py``.
        scales: α of the fixed fusion.
    """

    def __init__(
        self,
        channels: int,
        cross_attention_dim: int,
        kinds: Sequence[str],
        fusion: str = "fixed",
        scales: Sequence[float] = (0.5, 0.5),
    ) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        self.channels = channels
        self.fusion = build_fusion(fusion, channels, kinds, check_guide_scales(scales, kinds))
        self.user_scales: tuple[float, ...] | None = None
        # α of the last call, averaged over samples and queries, for logging.
        self.mean_weights: Tensor | None = None
        # By kind: tokens and what they gave, while ``remember_keys_values`` holds.
        self.remembered: dict[str, tuple[Tensor, Tensor, Tensor]] | None = None
        names = [part_name(kind) for kind in kinds]
        self.to_k = nn.ModuleDict(
            {name: nn.Linear(cross_attention_dim, channels, bias=False) for name in names}
        )
        self.to_v = nn.ModuleDict(
            {name: nn.Linear(cross_attention_dim, channels, bias=False) for name in names}
        )

    def guide_weights(self, query: Tensor) -> Tensor:
        """Return α, the user's where they steer.

        Args:
            query: ``[N, S, C]``.

        Returns:
            ``[G]``, or ``[N, S, G]`` where it depends on the query.

        Raises:
            ValueError: if the fusion gives not one number per guide.
        """
        if self.user_scales is not None:
            return query.new_tensor(self.user_scales)
        weights: Tensor = self.fusion(query)
        if weights.shape not in ((len(self.kinds),), (*query.shape[:2], len(self.kinds))):
            raise ValueError(
                f"guide.fusion: expected weights of shape [G] or [N, S, G] for {len(self.kinds)} "
                f"guides and queries {tuple(query.shape)}, got {tuple(weights.shape)} from "
                f"{type(self.fusion).__name__}"
            )
        return weights

    def forward(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: tuple[Tensor, ...] | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend to every guide with one query and add the results up.

        Args:
            attn: the diffusers layer that owns the query and output projections.
            hidden_states: ``[N, S, C]``.
            encoder_hidden_states: G tensors ``[N, L, p']``.
            attention_mask: not supported; guides have no padding.
            temb: ignored, as in every cross-attention of the SD U-Net.

        Returns:
            ``[N, S, C]``.

        Raises:
            ValueError: if the number of guides is not the one this layer was built for.
        """
        if not isinstance(encoder_hidden_states, tuple | list) or len(encoder_hidden_states) != len(
            self.kinds
        ):
            got = type(encoder_hidden_states).__name__
            if isinstance(encoder_hidden_states, tuple | list):
                got = f"{len(encoder_hidden_states)} tensors"
            raise ValueError(
                f"encoder_hidden_states: expected one tensor per guide {self.kinds}, got {got}"
            )
        if attention_mask is not None:
            raise ValueError("attention_mask: guide tokens take none, got a tensor")

        query = attn.to_q(hidden_states)  # [N, S, C]
        weights = self.guide_weights(query)
        self.mean_weights = weights.detach().unflatten(-1, (1, -1)).flatten(0, -2).mean(dim=0)
        q = _split_heads(query, attn.heads)
        fused = torch.zeros_like(query)
        for index, (kind, tokens) in enumerate(zip(self.kinds, encoder_hidden_states, strict=True)):
            k, v = self._keys_values(kind, tokens, attn.heads)
            attended = F.scaled_dot_product_attention(q, k, v)  # [N, h, S, D]
            fused = fused + weights[..., index, None] * attended.transpose(1, 2).flatten(2)

        out = attn.to_out[1](attn.to_out[0](fused))
        return out / attn.rescale_output_factor

    def _keys_values(self, kind: str, tokens: Tensor, heads: int) -> tuple[Tensor, Tensor]:
        """Return K and V of a guide, each ``[N, h, L, D]``."""
        known = None if self.remembered is None else self.remembered.get(kind)
        if known is not None and known[0] is tokens:
            return known[1], known[2]
        k = _split_heads(self.to_k[part_name(kind)](tokens), heads)
        v = _split_heads(self.to_v[part_name(kind)](tokens), heads)
        if self.remembered is not None:
            self.remembered[kind] = tokens, k, v
        return k, v


def _split_heads(tensor: Tensor, heads: int) -> Tensor:
    """Reshape ``[N, S, h·D]`` to ``[N, h, S, D]``."""
    return tensor.unflatten(-1, (heads, -1)).transpose(1, 2)


def install_guide_attention(
    unet: UNet2DConditionModel, kinds: Sequence[str], fusion: str, scales: Sequence[float]
) -> None:
    """Give every cross-attention layer of a U-Net one key/value source per guide.

    Each source starts from the layer's own ``to_k``/``to_v``, so that equal tokens in every guide
    and α that sum to 1 reproduce the base U-Net.  The layer's own two are then removed.
    """
    for _, attn in _cross_attention_layers(unet):
        processor = DualGuideAttnProcessor(
            attn.inner_dim, attn.cross_attention_dim, kinds, fusion, scales
        )
        for kind in processor.kinds:
            processor.to_k[part_name(kind)].load_state_dict(attn.to_k.state_dict())
            processor.to_v[part_name(kind)].load_state_dict(attn.to_v.state_dict())
        attn.set_processor(processor)
        attn.to_k = attn.to_v = None


def guide_processors(unet: nn.Module) -> Iterator[tuple[str, DualGuideAttnProcessor]]:
    """Yield the name and the processor of every fused cross-attention layer."""
    for name, module in unet.named_modules():
        if isinstance(module, DualGuideAttnProcessor):
            yield name.removesuffix(".processor"), module


def set_guide_scales(unet: nn.Module, scales: Sequence[float] | None) -> None:
    """Override α in every layer (the user steers: paper 6.3.2), or restore it with None."""
    for _, processor in guide_processors(unet):
        processor.user_scales = (
            None if scales is None else check_guide_scales(scales, processor.kinds)
        )


@contextmanager
def remember_keys_values(unet: nn.Module) -> Iterator[None]:
    """Compute the guides' keys and values once in every layer, for all steps of a sampler.

    They depend on the guide tokens alone; within, the same tensor of tokens gives the same K and V.
    """
    processors = [processor for _, processor in guide_processors(unet)]
    for processor in processors:
        processor.remembered = {}
    try:
        yield
    finally:
        for processor in processors:
            processor.remembered = None


def _cross_attention_layers(unet: nn.Module) -> Iterator[tuple[str, Attention]]:
    for name, module in unet.named_modules():
        if isinstance(module, Attention) and module.is_cross_attention:
            yield name, module
