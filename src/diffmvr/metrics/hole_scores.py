"""What validation measures inside the holes of its clips, summed up over clips and processes.

The numbers are those of :func:`diffmvr.metrics.clip_scores.score_clip`, but that frames are not
rounded to whole grey levels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from diffmvr.checks import check_same_shape
from diffmvr.metrics.images import DATA_RANGE
from diffmvr.metrics.psnr import pooled_psnr
from diffmvr.metrics.ssim import frame_ssim
from diffmvr.metrics.temporal_consistency import TemporalConsistency


class MeanOverClips(Metric):
    """Mean of one score a clip; clips without a score (NaN) are left out."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    total: Tensor
    counted: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        zero = torch.tensor(0.0, dtype=torch.float64)
        self.add_state("total", default=zero, dist_reduce_fx="sum")
        self.add_state("counted", default=torch.tensor(0), dist_reduce_fx="sum")

    def add(self, score: Tensor) -> None:
        """Add the score of a clip, a scalar."""
        if not score.isnan():
            self.total += score.to(self.total)
            self.counted += 1

    def compute(self) -> Tensor:
        """Return the mean, NaN if no clip had a score."""
        return self.total / self.counted


class HolePSNR(MeanOverClips):
    """PSNR of all hidden pixels of a clip together, in dB, averaged over clips."""

    def update(self, preds: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add a clip; see :func:`~diffmvr.metrics.psnr.pooled_psnr` for shapes and ranges."""
        self.add(pooled_psnr(preds, target, mask))


class HoleSSIM(MeanOverClips):
    """SSIM inside the holes, averaged over the frames of a clip that have one, then over clips."""

    def update(self, preds: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add a clip; see :func:`~diffmvr.metrics.ssim.frame_ssim` for shapes and ranges."""
        self.add(frame_ssim(preds, target, mask).nanmean())


class HoleScores(nn.Module):
    """PSNR, SSIM and TC inside the holes of all clips seen.

    Example:
        Wrong by 0.2 of the range [-1, 1] in the hole, which is a tenth of 255 grey levels: 20 dB.

        >>> truth = torch.zeros(1, 2, 3, 32, 32)  # [B, T, 3, H, W] in [-1, 1]
        >>> mask = torch.zeros(1, 2, 1, 32, 32)
        >>> mask[..., 8:24, 8:24] = 1
        >>> scores = HoleScores()
        >>> scores.update(truth + 0.2, truth, mask)
        >>> f"{scores.compute()['psnr_hole']:.1f}"
        '20.0'
    """

    def __init__(self) -> None:
        super().__init__()
        self.psnr, self.ssim = HolePSNR(), HoleSSIM()
        self.tc = TemporalConsistency(inside_hole=True)

    @torch.no_grad()
    def update(self, drawn: Tensor, truth: Tensor, mask: Tensor) -> None:
        """Add a batch of clips; clips of a single frame have no TC.

        Args:
            drawn: ``[B, T, 3, H, W]``; what is outside [-1, 1] is cut off, and what is outside the
                mask is not looked at.
            truth: ``[B, T, 3, H, W]`` in [-1, 1].
            mask: ``[B, T, 1, H, W]`` 0/1, 1 = hidden.

        Raises:
            ValueError: if the shapes differ.
        """
        check_same_shape("drawn", drawn, "truth", truth)
        target = _grey_levels(truth)
        preds = torch.where(mask > 0.5, _grey_levels(drawn), target)
        for clip in zip(preds, target, mask, strict=True):
            self.psnr.update(*clip)
            self.ssim.update(*clip)
        if preds.shape[1] > 1:
            self.tc.update(preds, target, mask)

    def compute(self) -> dict[str, Tensor]:
        """Return ``psnr_hole``, ``ssim_hole``, ``tc_hole``, ``tc_hole_gt`` and ``tc_hole_diff``."""
        motion = {name.replace("tc", "tc_hole"): v for name, v in self.tc.compute().items()}
        return {"psnr_hole": self.psnr.compute(), "ssim_hole": self.ssim.compute(), **motion}

    def reset(self) -> None:
        """Forget all clips."""
        for metric in (self.psnr, self.ssim, self.tc):
            metric.reset()


def _grey_levels(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as float64 in [0, 255]."""
    return (images.double().clamp(-1.0, 1.0) + 1.0) * (DATA_RANGE / 2.0)
