"""A loss on what the autoencoder shows of the prediction (ours, not the paper's).

Equal errors in the latents are not equal errors in the picture, and a frame that the past guide
shows all but perfectly is spoilt by an error that would not be seen in another.  L_dec is the mean
over frames of ln(1 + MSE/ε), with MSE the squared error of the decoded estimate D(ŷ_0) from the
decoded truth D(y_0) inside the hole: the PSNR, up to sign and scale (as in image restoration, e.g.
Chen et al. 2022).

N frames, c × h × w latents, H × W pixels.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffmvr.checks import check_same_shape
from diffmvr.losses.expressive import expressive_weight

FLOOR = 4e-4
"""ε: the squared error, in units of [-1, 1], of 40 dB; what is better counts no more."""


class DecodedLoss(nn.Module):
    """Mean logarithm of the decoded estimate's squared error inside the hole.

    Args:
        weight: its share in the training loss; 0 (the paper) leaves it out.
        expression_weight: weight of hidden eyes, brows and mouths over other hidden pixels.
    """

    def __init__(self, weight: float = 0.0, expression_weight: float = 1.0) -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"loss.decoded.weight: must not be negative, got {weight}")
        if not expression_weight >= 1:
            raise ValueError(
                f"loss.decoded.expression_weight: expected at least 1, got {expression_weight}"
            )
        self.weight = weight
        self.expression_weight = expression_weight

    def forward(
        self,
        estimate: Tensor,
        clean: Tensor,
        mask: Tensor,
        decode: Callable[[Tensor], Tensor],
        expressive: Tensor | None = None,
    ) -> Tensor:
        """Return L_dec, not yet multiplied by its weight; frames without a hole do not count.

        Args:
            estimate: ``[N, c, h, w]``, ŷ_0.
            clean: ``[N, c, h, w]``, y_0.
            mask: ``[N, 1, h, w]`` 0/1, 1 = hidden.
            decode: latents to ``[N, 3, H, W]``; the gradient goes through it.
            expressive: ``[N, 1, h, w]`` in [0, 1], where the expression is; needed for its weight.

        Raises:
            ValueError: if ``expression_weight`` is not 1 and ``expressive`` is not given.
        """
        check_same_shape("estimate", estimate, "clean", clean)
        with torch.no_grad():
            truth = decode(clean)
        error = (decode(estimate) - truth).square().mean(dim=1, keepdim=True)
        weighed = mask * expressive_weight(
            self.expression_weight, expressive, "loss.decoded.expression_weight"
        )
        hidden = nn.functional.interpolate(weighed, size=error.shape[-2:], mode="nearest")
        size = hidden.sum(dim=(1, 2, 3))
        per_frame = (error * hidden).sum(dim=(1, 2, 3)) / size.clamp(min=1)
        logarithm = torch.log(per_frame + FLOOR) - math.log(FLOOR)
        return logarithm[size > 0].sum() / (size > 0).sum().clamp(min=1)
