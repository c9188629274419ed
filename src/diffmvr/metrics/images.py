"""What the image scores share: checked input, means inside the hole.

Legend: N frames, C channels, H × W pixels.  Images hold values in [0, 255]; **mask = 1 is the
hole**.  "Inside the hole" means the hidden pixels alone: a whole-frame score is dominated by
pixels nobody restored.
"""

import torch
from torch import Tensor

from diffmvr.checks import check_range, check_same_shape, check_shape

DATA_RANGE = 255.0


def check_images(name: str, images: Tensor) -> Tensor:
    """Return images as float64 after checking them (uint8 sums lose digits in float32).

    Args:
        name: the argument's name, for the message.
        images: ``[N, C, H, W]`` in [0, 255], any dtype.

    Raises:
        ValueError: if the shape or the range is another one, e.g. images in [-1, 1].
    """
    check_shape(name, images, (None, None, None, None))
    if images.dtype != torch.uint8:
        check_range(name, images, 0.0, DATA_RANGE)
    return images.double()


def check_pair(preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both images as float64 after checking that they belong together.

    Args:
        preds: ``[N, C, H, W]`` in [0, 255].
        target: ``[N, C, H, W]`` in [0, 255].

    Raises:
        ValueError: if the shapes differ or a range is another one.
    """
    check_same_shape("preds", preds, "target", target)
    return check_images("preds", preds), check_images("target", target)


def hole_of(mask: Tensor, images: Tensor) -> Tensor:
    """Return the hole as bool ``[N, H, W]``.

    Args:
        mask: ``[N, 1, H, W]``, 0 or 1 (any dtype), 1 = hidden.
        images: ``[N, C, H, W]``, the images it belongs to.

    Raises:
        ValueError: if the mask does not fit the images.
    """
    n, _, h, w = images.shape
    check_shape("mask", mask, (n, 1, h, w))
    return mask[:, 0] > 0.5


def mean_where(values: Tensor, where: Tensor) -> Tensor:
    """Average ``values`` over the pixels of ``where``, image by image.

    Args:
        values: ``[N, H, W]`` float.
        where: ``[N, H, W]`` bool.

    Returns:
        ``[N]``; NaN for an image without a single such pixel.
    """
    chosen = torch.where(where, values, 0.0)
    return chosen.sum(dim=(-2, -1)) / where.sum(dim=(-2, -1))
