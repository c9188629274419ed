"""Frames of any size for networks that take multiples of a number of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pad_to_multiple(images: NDArray[Any], multiple: int) -> NDArray[Any]:
    """Mirror rows and columns behind the last ones until both sides are multiples of a number.

    As LaMa does it: the edge's own pixels are repeated too.

    Args:
        images: ``[T, H, W, ...]``.
        multiple: what the network asks for.

    Returns:
        ``[T, H', W', ...]``, the input in its upper left corner.
    """
    missing = [-length % multiple for length in images.shape[1:3]]
    widths = [(0, 0), *((0, pixels) for pixels in missing)]
    widths += [(0, 0)] * (images.ndim - 3)
    return np.pad(images, widths, mode="symmetric")
