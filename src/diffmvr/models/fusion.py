"""α, by which the guides' attentions are added up: A_fused = Σ_g α_g A^g (paper 3.2, Mod_3).

N samples, S queries (latent cells), G guides, C channels of the layer.

A fusion of one's own is a class like these, in a file of its own; ``guide.fusion=my_fusion:Sparse``
takes it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffmvr.own_code import is_own, load_own_class


class FixedFusion(nn.Module):
    """The same α in every layer, as given (the paper).

    Args:
        channels: C, width of the query.
        kinds: names of the guides.
        scales: α, one per guide.
    """

    def __init__(self, channels: int, kinds: Sequence[str], scales: Sequence[float]) -> None:
        super().__init__()
        self.scales = tuple(scales)

    def forward(self, query: Tensor) -> Tensor:
        """Return α, ``[G]`` or ``[N, S, G]``, for the queries ``[N, S, C]``."""
        return query.new_tensor(self.scales)


class LearnedFusion(nn.Module):
    """One softmax over guides per layer, which starts at equal weights; see ``FixedFusion``."""

    def __init__(self, channels: int, kinds: Sequence[str], scales: Sequence[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(len(kinds)))

    def forward(self, query: Tensor) -> Tensor:
        """Return α ``[G]``."""
        return self.logits.softmax(dim=-1)


class GatedFusion(nn.Module):
    """A softmax over guides per query token, linear in the query; see ``FixedFusion``.

    It starts at equal weights.
    """

    def __init__(self, channels: int, kinds: Sequence[str], scales: Sequence[float]) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, len(kinds))
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, query: Tensor) -> Tensor:
        """Return α ``[N, S, G]``."""
        weights: Tensor = self.gate(query).softmax(dim=-1)
        return weights


FUSIONS: dict[str, type[nn.Module]] = {
    "fixed": FixedFusion,
    "learned": LearnedFusion,
    "gated": GatedFusion,
}


def build_fusion(
    name: str, channels: int, kinds: Sequence[str], scales: Sequence[float]
) -> nn.Module:
    """Build a fusion.

    Args:
        name: a key of ``FUSIONS``, or ``module:Class`` of the user's own.
        channels: C.
        kinds: names of the guides.
        scales: α of the fixed fusion.

    Raises:
        ValueError: if there is no such fusion.
    """
    chosen = load_own_class("guide.fusion", name, nn.Module) if is_own(name) else FUSIONS[name]
    built: nn.Module = chosen(channels, kinds, scales)
    return built
