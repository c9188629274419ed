"""Peak signal-to-noise ratio of RGB frames, whole or inside the hole.

A clip's PSNR is the mean over its frames, as video inpainting papers report it.  The alternative,
one PSNR of the pooled error, weighs a frame by its hole; ``pooled_psnr`` gives it as a check.
"""

import torch
from torch import Tensor

from diffmvr.metrics.images import DATA_RANGE, check_pair, hole_of, mean_where

MAX_PSNR = 100.0
"""What identical images score, in dB; the true value is infinite and would drown every mean."""


def squared_error(preds: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean squared error of each frame over its pixels × channels.

    Args:
        preds: ``[N, C, H, W]`` in [0, 255].
        target: ``[N, C, H, W]`` in [0, 255].
        mask: ``[N, 1, H, W]`` 0/1; if given, only pixels under 1 count.

    Returns:
        ``[N]`` float64; NaN for a frame without a hidden pixel.
    """
    preds, target = check_pair(preds, target)
    error = (preds - target).square().mean(dim=1)
    if mask is None:
        return error.mean(dim=(-2, -1))
    return mean_where(error, hole_of(mask, preds))


def frame_psnr(preds: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return 10 · log₁₀(255² / MSE) of each frame, in dB, at most ``MAX_PSNR``.

    Args:
        preds: ``[N, C, H, W]`` in [0, 255].
        target: ``[N, C, H, W]`` in [0, 255].
        mask: ``[N, 1, H, W]`` 0/1; if given, the error inside the hole alone.

    Returns:
        ``[N]`` float64; NaN for a frame without a hidden pixel.

    Raises:
        ValueError: if shapes or ranges differ from the above.
    """
    return _decibels(squared_error(preds, target, mask))


def pooled_psnr(preds: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return one PSNR of all hidden pixels of a clip together, in dB; a scalar.

    Unlike the mean over frames it cannot be carried by one frame whose tiny hole happens to be
    filled exactly.  NaN if nothing is hidden.
    """
    hidden = hole_of(mask, preds).sum(dim=(-2, -1))
    error = squared_error(preds, target, mask).nan_to_num(0.0)
    return _decibels((error * hidden).sum() / hidden.sum())


def _decibels(error: Tensor) -> Tensor:
    return (10.0 * torch.log10(DATA_RANGE**2 / error)).clamp(max=MAX_PSNR)
