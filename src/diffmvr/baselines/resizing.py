"""To the size that another system works at, and back, without the occluder.

Legend: T frames, H × W pixels of the clip, h × w pixels of the other system.
"""

import cv2
import numpy as np

from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.structures import UInt8Array


def working_size(
    height: int, width: int, short_side: int | None, multiple: int = 8
) -> tuple[int, int]:
    """Return (h, w): the clip's shape scaled to a short side, each side a multiple of ``multiple``.

    Args:
        height: H.
        width: W.
        short_side: wanted length of the shorter side in pixels; ``None`` keeps the clip's own.
        multiple: what the network's strides ask for; sides are rounded to the nearest, at least 1.
    """
    zoom = 1.0 if short_side is None else short_side / min(height, width)
    return _rounded(height * zoom, multiple), _rounded(width * zoom, multiple)


def resize_occluded(
    images: UInt8Array, masks: UInt8Array, size: tuple[int, int]
) -> tuple[UInt8Array, UInt8Array]:
    """Resize occluded frames and their masks for a system that is to fill the holes.

    The holes are filled from their rim first, or scaling would smear the occluder over the pixels
    beside it, for the system to take up and continue.

    Args:
        images: ``[T, H, W, 3]`` uint8.
        masks: ``[T, H, W]`` 0/1, 1 = hidden.
        size: (h, w).

    Returns:
        ``[T, h, w, 3]`` uint8 pictures and ``[T, h, w]`` masks.
    """
    pairs = zip(images, masks, strict=True)
    clean = np.stack([inpaint(image, mask != 0) for image, mask in pairs])
    return resize_images(clean, size), resize_masks(masks, size)


def resize_images(images: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Resize ``[T, H, W, 3]`` uint8 pictures to ``size`` (h, w): averaged down, cubic up."""
    height, width = size
    if images.shape[1:3] == (height, width):
        return images
    method = cv2.INTER_AREA if height < images.shape[1] else cv2.INTER_CUBIC
    resized = [cv2.resize(image, (width, height), interpolation=method) for image in images]
    return np.stack(resized).astype(np.uint8, copy=False)


def resize_masks(masks: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Resize ``[T, H, W]`` 0/1 masks; a pixel is hidden if any part of it was."""
    height, width = size
    if masks.shape[1:3] == (height, width):
        return masks
    method = cv2.INTER_AREA if height < masks.shape[1] else cv2.INTER_NEAREST_EXACT
    resized = [
        cv2.resize(mask.astype(np.float32), (width, height), interpolation=method) for mask in masks
    ]
    return (np.stack(resized) > 0).astype(np.uint8)


def _rounded(length: float, multiple: int) -> int:
    return max(1, round(length / multiple)) * multiple
