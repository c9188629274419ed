"""What the U-Net's output says about the clean and the one-step denoised latents.

ᾱ_T is the cumulative product of α_T = 1 − β_T (paper 3.2).  N frames, c × h × w latents.
"""

from typing import Any

import torch
from torch import Tensor

from diffmvr.checks import check_one_of


def training_target(scheduler: Any, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """Return what the U-Net is trained to predict: ε, or v for ``v_prediction``.

    Args:
        scheduler: the diffusers noise schedule.
        latents: ``[N, c, h, w]`` clean latents.
        noise: ``[N, c, h, w]``.
        timesteps: ``[N]`` int.
    """
    kind = scheduler.config.prediction_type
    check_one_of("scheduler.prediction_type", kind, ("epsilon", "v_prediction"))
    if kind == "epsilon":
        return noise
    target: Tensor = scheduler.get_velocity(latents, noise, timesteps)
    return target


def predict_clean(scheduler: Any, output: Tensor, noisy: Tensor, timesteps: Tensor) -> Tensor:
    """Return Tweedie's estimate of the clean latents, ŷ_0 = (y_T − √(1−ᾱ_T) ε̂) / √ᾱ_T."""
    signal, sigma = _rates(scheduler, timesteps, noisy)
    if scheduler.config.prediction_type == "v_prediction":
        return signal * noisy - sigma * output
    return (noisy - sigma * output) / signal


def predict_previous(scheduler: Any, output: Tensor, noisy: Tensor, timesteps: Tensor) -> Tensor:
    """Return the mean of the one-step denoised latents (paper 3.2, reverse process).

    y_{T−1} = (y_T − (1−α_T)/√(1−ᾱ_T) ε̂) / √α_T, without the random σ_T z.
    """
    signal, sigma = _rates(scheduler, timesteps, noisy)
    noise = output
    if scheduler.config.prediction_type == "v_prediction":
        noise = signal * output + sigma * noisy
    alpha = scheduler.alphas.to(noisy.device, noisy.dtype)[timesteps].view(-1, 1, 1, 1)
    return (noisy - (1 - alpha) / sigma * noise) / alpha.sqrt()


def _rates(scheduler: Any, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return √ᾱ_T and √(1−ᾱ_T) as ``[N, 1, 1, 1]``."""
    cumulative = scheduler.alphas_cumprod.to(like.device)[timesteps].view(-1, 1, 1, 1)
    return cumulative.sqrt().to(like.dtype), torch.sqrt(1 - cumulative).to(like.dtype)
