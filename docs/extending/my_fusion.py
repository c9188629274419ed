"""A fusion of one's own: the guide that suits a place best leads it almost alone."""

from collections.abc import Sequence

from torch import Tensor, nn


class Sharp(nn.Module):
    """A softmax over guides per query token, at a low temperature."""

    def __init__(self, channels: int, kinds: Sequence[str], scales: Sequence[float]) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, len(kinds))

    def forward(self, query: Tensor) -> Tensor:
        """Return α ``[N, S, G]`` for the queries ``[N, S, C]``."""
        weights: Tensor = (self.gate(query) / 0.1).softmax(dim=-1)
        return weights
