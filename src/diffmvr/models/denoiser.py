"""One evaluation of the U-Net, relative to a reference where there is one.

A small network that has to repeat the whole frame spends itself on what its input already shows.
With ``guide.residual`` it denoises the difference d = y − r from reference latents r, those of the
frame with its hole filled by the past guide.  The forward process stays the paper's,
y_T = √ᾱ_T y + √(1−ᾱ_T) ε; the network sees y_T − √ᾱ_T r = √ᾱ_T d + √(1−ᾱ_T) ε, and its output is
carried back, so that neither losses nor samplers know of r.

N frames, c × h × w latents.
"""

from typing import Any

import torch
from torch import Tensor

from diffmvr.models.conditioning import Conditions, unet_input


def predict(
    unet: Any,
    scheduler: Any,
    noisy: Tensor,
    timesteps: Tensor,
    conditions: Conditions,
    tokens: tuple[Tensor, ...],
) -> Tensor:
    """Return the prediction (ε or v) for the noisy latents.

    Args:
        unet: U-Net with fused attention.
        scheduler: a diffusers scheduler with ``alphas_cumprod``.
        noisy: ``[N, c, h, w]`` y_T, as the scheduler scales it for the model.
        timesteps: ``[N]`` or a single timestep T.
        conditions: what the U-Net is told besides.
        tokens: G tensors ``[N, L, p']`` from the projectors.

    Returns:
        ``[N, c, h, w]``.
    """
    index = timesteps.to(scheduler.alphas_cumprod.device).long()
    cumulative = scheduler.alphas_cumprod[index].to(noisy).view(-1, 1, 1, 1)
    reference = conditions.reference_latents
    residual = noisy - cumulative.sqrt() * reference
    output: Tensor = unet(unet_input(residual, conditions), timesteps, tokens).sample
    if scheduler.config.prediction_type == "v_prediction":
        # v of y is √ᾱ ε − √(1−ᾱ) y, and y = d + r; ε is the same for both.
        output = output - torch.sqrt(1 - cumulative) * reference
    return output
