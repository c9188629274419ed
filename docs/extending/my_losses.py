"""A term of the loss of one's own: the estimate should be as smooth as the truth."""

import torch
from torch import Tensor, nn

from diffmvr.losses import Prediction


class Gradients(nn.Module):
    """Mean absolute difference of the horizontal and vertical steps between latent cells."""

    def __init__(self, weight: float = 0.05) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, prediction: Prediction) -> Tensor:
        """Return a scalar, not yet multiplied by its weight."""
        steps = [
            (prediction.clean.diff(dim=dim) - prediction.latents.diff(dim=dim)).abs().mean()
            for dim in (2, 3)
        ]
        return torch.stack(steps).sum()
