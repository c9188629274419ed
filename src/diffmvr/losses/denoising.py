"""Eq. 1: L_diff = E ‖ε − ε_θ(y_{t,T}, T, A_fused)‖².

N frames, c × h × w latents.  With ``prediction_type: v_prediction`` the same loss is taken on
v = √ᾱ ε − √(1−ᾱ) y, which weighs the timesteps differently and learns faster at small size.
"""

import torch
from diffusers.training_utils import compute_snr
from torch import Tensor, nn

from diffmvr.checks import check_one_of, check_same_shape, check_shape
from diffmvr.losses.expressive import expressive_weight


def denoising_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the weighted mean squared error.

    Args:
        prediction: ``[N, c, h, w]``, what the U-Net predicted (ε or v).
        target: ``[N, c, h, w]``.
        weight: broadcastable to ``[N, c, h, w]``; the result is Σ w e² / Σ w over space, then
            averaged over frames, so a spatial weight does not change the loss's scale.

    Returns:
        A scalar.
    """
    check_shape("prediction", prediction, (None, None, None, None))
    check_same_shape("prediction", prediction, "target", target)
    error = (prediction - target).square()
    if weight is None:
        return error.mean()
    weight = weight.expand_as(error)
    return ((error * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))).mean()


class DenoisingLoss(nn.Module):
    """Eq. 1, with three optional weightings of ours.

    Args:
        hole_weight: weight of hidden latent cells over visible ones; 1 is the paper.  Visible cells
            are composited away in the end.
        snr_weighting: ``none`` (the paper) or ``min_snr`` (Hang et al. 2023, γ = ``snr_gamma``).
        snr_gamma: γ of min-SNR.
        expression_weight: weight of latent cells at eyes, brows and mouth over others; 1 is the
            paper.  It multiplies ``hole_weight``.
    """

    def __init__(
        self,
        hole_weight: float = 1.0,
        snr_weighting: str = "none",
        snr_gamma: float = 5.0,
        expression_weight: float = 1.0,
    ) -> None:
        super().__init__()
        for name, value in (("hole", hole_weight), ("expression", expression_weight)):
            if not value >= 1:
                raise ValueError(f"{name}_weight: expected at least 1, got {value}")
        check_one_of("snr_weighting", snr_weighting, ("none", "min_snr"))
        self.hole_weight = hole_weight
        self.snr_weighting = snr_weighting
        self.snr_gamma = snr_gamma
        self.expression_weight = expression_weight

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        mask: Tensor,
        scheduler: object,
        timesteps: Tensor,
        expressive: Tensor | None = None,
    ) -> Tensor:
        """Return the loss.

        Args:
            prediction: ``[N, c, h, w]``.
            target: ``[N, c, h, w]``.
            mask: ``[N, 1, h, w]`` 0/1, 1 = hidden.
            scheduler: the diffusers noise schedule.
            timesteps: ``[N]`` int.
            expressive: ``[N, 1, h, w]`` in [0, 1], where the expression is; needed for its weight.

        Raises:
            ValueError: if ``expression_weight`` is not 1 and ``expressive`` is not given.
        """
        spatial = 1.0 + (self.hole_weight - 1.0) * mask
        spatial = spatial * expressive_weight(
            self.expression_weight, expressive, "loss.denoising.expression_weight"
        )
        if self.snr_weighting == "none":
            return denoising_loss(prediction, target, spatial)
        per_frame = self._min_snr(scheduler, timesteps)
        scale = per_frame.sqrt().view(-1, 1, 1, 1)
        return denoising_loss(prediction * scale, target * scale, spatial)

    def _min_snr(self, scheduler: object, timesteps: Tensor) -> Tensor:
        snr = compute_snr(scheduler, timesteps)
        clipped = torch.clamp(snr, max=self.snr_gamma)
        is_v = scheduler.config.prediction_type == "v_prediction"  # type: ignore[attr-defined]
        return clipped / (snr + 1 if is_v else snr)
