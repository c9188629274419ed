"""Temporal consistency, TC (paper Eq. 6): how much a video changes from frame to frame.

    TC = 1/(N-1) · Σ_{t=1}^{N-1} ‖d_{t+1} − d_t‖² / (H · W · 255²)

with d_t the flattened RGB frame t.  The paper divides by 512² · 255² whatever the frame's size;
H · W · 255² is equal at 512² and comparable elsewhere (decisions 16).  A frozen video scores 0, so
TC alone rewards freezing: it is reported beside the ground truth's own TC and their distance.
"""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from diffmvr.checks import check_same_shape
from diffmvr.metrics.images import DATA_RANGE, check_images, hole_of


def video_tc(video: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the TC of one video, Eq. 6; lower is smoother.

    Args:
        video: ``[T, C, H, W]`` in [0, 255], T ≥ 2.
        mask: ``[T, 1, H, W]`` 0/1; if given, only pixels hidden in *both* frames of a pair count,
            and their number replaces H · W.  Pairs without any are left out.

    Returns:
        A float64 scalar; NaN if no pair has such a pixel.

    Raises:
        ValueError: if the video has fewer than two frames, or shapes or range differ.
    """
    video = check_images("video", video)
    if len(video) < 2:
        raise ValueError(f"video: expected at least 2 frames, got {len(video)}; TC needs pairs")
    change = (video[1:] - video[:-1]).square().sum(dim=1) / DATA_RANGE**2  # [T-1, H, W]
    if mask is None:
        return change.mean()
    hole = hole_of(mask, video)
    both = hole[1:] & hole[:-1]
    pixels = both.sum(dim=(-2, -1))
    per_pair = torch.where(both, change, 0.0).sum(dim=(-2, -1)) / pixels
    return per_pair[pixels > 0].mean()


class TemporalConsistency(Metric):
    """TC averaged over videos (paper 6.1), with the ground truth's and their distance.

    Args:
        inside_hole: count only pixels hidden in both frames of a pair; videos without any are
            left out.

    Example:
        A frozen film of a face that grows brighter by one grey level a frame:

        >>> truth = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8)  # [T, 3, H, W], 0 to 255
        >>> metric = TemporalConsistency()
        >>> metric.update(torch.zeros(4, 3, 8, 8), truth)
        >>> {name: f"{value:.2e}" for name, value in metric.compute().items()}
        {'tc': '0.00e+00', 'tc_gt': '4.61e-05', 'tc_diff': '4.61e-05'}
    """

    full_state_update = False
    is_differentiable = False

    sums: Tensor
    counted: Tensor

    def __init__(self, inside_hole: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inside_hole = inside_hole
        zeros = torch.zeros(3, dtype=torch.float64)
        self.add_state("sums", default=zeros, dist_reduce_fx="sum")
        self.add_state("counted", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Add one video or a batch of videos.

        Args:
            preds: ``[T, C, H, W]`` or ``[B, T, C, H, W]`` in [0, 255], the restored videos.
            target: the same shape, the ground truth.
            mask: the same with one channel, 0/1; needed if ``inside_hole``.

        Raises:
            ValueError: if the shapes differ, or a mask is needed and not given.
        """
        check_same_shape("preds", preds, "target", target)
        if self.inside_hole and mask is None:
            raise ValueError("mask: expected [T, 1, H, W] because inside_hole=True, got None")
        if preds.ndim == 4:
            preds, target = preds[None], target[None]
            mask = None if mask is None else mask[None]
        for index in range(len(preds)):
            hole = mask[index] if self.inside_hole and mask is not None else None
            own = video_tc(preds[index], hole)
            truth = video_tc(target[index], hole)
            if not own.isnan():
                self.sums += torch.stack([own, truth, (own - truth).abs()])
                self.counted += 1

    def compute(self) -> dict[str, Tensor]:
        """Return means over videos: ``tc``, ``tc_gt`` and ``tc_diff``, mean ``|TC − TC_gt|``."""
        own, truth, difference = self.sums / self.counted
        return {"tc": own, "tc_gt": truth, "tc_diff": difference}
