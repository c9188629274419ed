"""Structural similarity (paper Eq. 4): 11 × 11 Gaussian window, σ = 1.5, data range 255.

The whole-frame score is the mean of the SSIM map over *all* pixels (at the border the image is
reflected), as torchmetrics has it, and the hole's score is the mean of the same map over the
hidden pixels: one quantity on two regions.  scikit-image has the same map but leaves out a border
of five pixels before it takes the mean.

Video inpainting papers report another one, ``ssim_w65``: scikit-image's, with a uniform window of
65 pixels and unbiased covariances, over the pixels whose window lies inside the frame.  A frame
with a side below 65 has none.

The windows are OpenCV's separable filter in float64, on the CPU: far faster there than
the depthwise 2-D convolution by which torchmetrics gets the same numbers.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffmvr.metrics.images import DATA_RANGE, check_pair, hole_of, mean_where

WINDOW, SIGMA = 11, 1.5
UNIFORM_WINDOW = 65
K1, K2 = 0.01, 0.03

WindowMean = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""The mean of ``[H, W]`` over the window around each pixel."""


def ssim_map(preds: Tensor, target: Tensor) -> Tensor:
    """Return the SSIM at every pixel, averaged over the channels.

    Args:
        preds: ``[N, C, H, W]`` in [0, 255], each side at least 6 pixels.
        target: ``[N, C, H, W]`` in [0, 255].

    Returns:
        ``[N, H, W]`` float64, at most 1.

    Raises:
        ValueError: if shapes or ranges differ from the above.
    """
    preds, target = check_pair(preds, target)
    if min(preds.shape[-2:]) <= WINDOW // 2:
        raise ValueError(
            f"preds: expected sides of at least {WINDOW // 2 + 1} pixels for an {WINDOW} × "
            f"{WINDOW} window, got {tuple(preds.shape[-2:])}; score larger frames"
        )
    return _channel_maps(preds, target, _gaussian_mean).mean(dim=1)


def frame_ssim_w65(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean SSIM of each frame with a uniform window, as ProPainter and E2FGVI report it.

    Args:
        preds: ``[N, C, H, W]`` in [0, 255].
        target: ``[N, C, H, W]`` in [0, 255].

    Returns:
        ``[N]`` float64; NaN for frames with a side below 65 pixels.

    Raises:
        ValueError: if shapes or ranges differ from the above.
    """
    preds, target = check_pair(preds, target)
    if min(preds.shape[-2:]) < UNIFORM_WINDOW:
        return torch.full((len(preds),), torch.nan, dtype=torch.float64)
    samples = UNIFORM_WINDOW**2
    maps = _channel_maps(preds, target, _uniform_mean, samples / (samples - 1))
    rim = UNIFORM_WINDOW // 2
    return maps[..., rim : maps.shape[-2] - rim, rim : maps.shape[-1] - rim].mean(dim=(1, 2, 3))


def _channel_maps(
    preds: Tensor, target: Tensor, window_mean: WindowMean, unbias: float = 1.0
) -> Tensor:
    """Eq. 4 at every pixel of every channel, ``[N, C, H, W]``."""
    planes = zip(preds.flatten(0, 1).cpu(), target.flatten(0, 1).cpu(), strict=True)
    maps = np.empty((preds.shape[0] * preds.shape[1], *preds.shape[2:]))
    for index, (x, y) in enumerate(planes):
        maps[index] = _plane_map(x.numpy(), y.numpy(), window_mean, unbias)
    return torch.from_numpy(maps).to(preds.device).reshape(preds.shape)


def _plane_map(
    x: NDArray[np.float64], y: NDArray[np.float64], window_mean: WindowMean, unbias: float
) -> NDArray[np.float64]:
    """Eq. 4 at every pixel of one channel, ``[H, W]``."""
    c1, c2 = (K1 * DATA_RANGE) ** 2, (K2 * DATA_RANGE) ** 2
    mean_x, mean_y = window_mean(x), window_mean(y)
    variances = unbias * (window_mean(x * x + y * y) - mean_x**2 - mean_y**2)
    covariance = unbias * (window_mean(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    # Rounding can leave the variance of a flat window a hair below zero.
    return luminance * (2 * covariance + c2) / (np.maximum(variances, 0.0) + c2)


def _gaussian_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    return np.asarray(
        cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101),
        dtype=np.float64,
    )


def _uniform_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    size = (UNIFORM_WINDOW, UNIFORM_WINDOW)
    return np.asarray(cv2.boxFilter(plane, cv2.CV_64F, size), dtype=np.float64)


def frame_ssim(preds: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean SSIM of each frame.

    Args:
        preds: ``[N, C, H, W]`` in [0, 255].
        target: ``[N, C, H, W]`` in [0, 255].
        mask: ``[N, 1, H, W]`` 0/1; if given, the mean of the map over the hidden pixels.  Windows
            near the rim of the hole see known pixels too.

    Returns:
        ``[N]`` float64; NaN for a frame without a hidden pixel.

    Raises:
        ValueError: if shapes or ranges differ from the above.
    """
    similarity = ssim_map(preds, target)
    if mask is None:
        return similarity.mean(dim=(-2, -1))
    return mean_where(similarity, hole_of(mask, preds))
