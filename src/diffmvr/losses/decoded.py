"""A loss on what the autoencoder shows of the prediction (ours, not the paper's).

Equal errors in the latents are not equal errors in the picture.  L_dec compares the decoded
estimate of the clean latents with the decoded truth, inside the hole:
L_dec = Σ m ‖D(ŷ_0) − D(y_0)‖² / Σ m.

N frames, c × h × w latents, H × W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffmvr.checks import check_same_shape


class DecodedLoss(nn.Module):
    """Mean squared error of the decoded estimate inside the hole, in units of [-1, 1].

    Args:
        weight: its share in the training loss; 0 (the paper) leaves it out.
    """

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"loss.decoded.weight: must not be negative, got {weight}")
        self.weight = weight

    def forward(
        self, estimate: Tensor, clean: Tensor, mask: Tensor, decode: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return L_dec, not yet multiplied by its weight.

        Args:
            estimate: ``[N, c, h, w]``, ŷ_0.
            clean: ``[N, c, h, w]``, y_0.
            mask: ``[N, 1, h, w]`` 0/1, 1 = hidden.
            decode: latents to ``[N, 3, H, W]``; the gradient goes through it.
        """
        check_same_shape("estimate", estimate, "clean", clean)
        with torch.no_grad():
            truth = decode(clean)
        error = (decode(estimate) - truth).square().mean(dim=1, keepdim=True)
        hidden = nn.functional.interpolate(mask, size=error.shape[-2:], mode="nearest")
        return (error * hidden).sum() / hidden.sum().clamp(min=1)
