"""What the model may change: the hidden pixels and nothing else (decisions, last paragraph)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_same_shape, check_shape
from diffmvr.geometry import distance_inside
from diffmvr.structures import UInt8Array


def composite(
    restored: UInt8Array, observed: UInt8Array, mask: UInt8Array, feather: float = 0.0
) -> UInt8Array:
    """Put the restored pixels into the hole of the observed frame.

    With ``feather`` f > 0 the restored pixels near the rim are shifted in colour so that they
    meet the visible ones: x ↦ x + w·e, where w falls from almost 1 at the rim to 0 at f + 1
    pixels inside the hole, and e is by how much the visible pixels around the rim differ from
    what was restored in their place (observed − restored, averaged with a Gaussian of σ = f).
    The occluder is never blended in, and nothing outside the hole changes.

    Args:
        restored: ``[H, W, 3]`` uint8; for a seam, what the model shows outside the hole matters.
        observed: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        feather: width f of the seam in pixels, all of it inside the hole.

    Returns:
        ``[H, W, 3]`` uint8, equal to ``observed`` bit for bit wherever ``mask`` is 0.

    Raises:
        ValueError: if the shapes differ or ``feather`` is negative.
    """
    check_same_shape("restored", restored, "observed", observed)
    check_shape("mask", mask, observed.shape[:2])
    check_number("feather", feather, 0.0, np.inf)
    hidden = mask != 0
    result = observed.copy()
    result[hidden] = restored[hidden]
    if feather > 0 and hidden.any() and not hidden.all():
        shift = _rim_shift(restored, observed, hidden, feather)[hidden]
        result[hidden] = np.clip(np.rint(restored[hidden] + shift), 0, 255)
    return result


def _rim_shift(
    restored: UInt8Array, observed: UInt8Array, hidden: NDArray[np.bool_], feather: float
) -> NDArray[np.float32]:
    """Return ``[H, W, 3]``, w·e of :func:`composite`."""
    visible = (~hidden).astype(np.float32)
    error = (observed.astype(np.float32) - restored) * visible[..., None]
    nearby = cv2.GaussianBlur(visible, (0, 0), feather)
    average = cv2.GaussianBlur(error, (0, 0), feather) / np.maximum(nearby, 1e-6)[..., None]
    depth = distance_inside(hidden)
    weight = np.clip(1 - depth / (feather + 1), 0, 1)
    return weight[..., None] * average
