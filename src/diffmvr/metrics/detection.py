"""How good a detector is, in the paper's two figures: accuracy and mean IoU (paper 4.1).

The paper does not define them.  Here both go by image and by region: the region of an image is
the union of what was found (boxes or outlines), which is what becomes the inpainting mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffmvr.checks import check_same_shape, check_shape

FOUND = 0.5
"""An image is right if its region overlaps the truth by at least this IoU."""


@dataclass(frozen=True)
class DetectionScores:
    """Scores of a detector over a set of images.

    Attributes:
        accuracy: share of images that are right: IoU ≥ 0.5 where there is something, nothing found
            where there is nothing.
        mean_iou: mean IoU over the images with something in them; a miss counts 0.
        mean_iou_found: the same over those with an IoU of at least 0.5 only.
        recall: share of the images with something in which anything right was found.
        false_alarms: share of the images with nothing in which something was found.
        images: number of images.
        occupied: number of images with something in them.
    """

    accuracy: float
    mean_iou: float
    mean_iou_found: float
    recall: float
    false_alarms: float
    images: int
    occupied: int


def region_iou(found: Any, truth: Any) -> float:
    """Return the intersection over union of two masks ``[H, W]``; NaN if both are empty.

    Raises:
        ValueError: if the shapes differ.
    """
    check_shape("found", found, (None, None))
    check_same_shape("found", found, "truth", truth)
    a, b = np.asarray(found) != 0, np.asarray(truth) != 0
    union = int(np.count_nonzero(a | b))
    return float(np.count_nonzero(a & b)) / union if union else float("nan")


def detection_scores(ious: Sequence[float], occupied: Sequence[bool]) -> DetectionScores:
    """Summarise images.

    Args:
        ious: the :func:`region_iou` of each image; NaN where nothing is and nothing was found.
        occupied: whether each image has something in it.

    Raises:
        ValueError: if there is no image, or the lengths differ.
    """
    if len(ious) != len(occupied) or not len(ious):
        raise ValueError(
            f"ious and occupied: expected one entry for each of at least one image, "
            f"got {len(ious)} and {len(occupied)}"
        )
    values, present = np.asarray(ious, float), np.asarray(occupied, bool)
    inside = np.nan_to_num(values[present])
    right = inside >= FOUND
    alarm = ~np.isnan(values[~present])
    return DetectionScores(
        accuracy=float(np.mean(np.concatenate([right, ~alarm]))),
        mean_iou=_mean(inside),
        mean_iou_found=_mean(inside[right]),
        recall=_mean(right),
        false_alarms=_mean(alarm),
        images=len(values),
        occupied=int(present.sum()),
    )


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
