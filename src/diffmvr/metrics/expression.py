"""Does the restored face still say what the clean one says?

Some network reads expressions and states from the restored and from the clean frames; these
functions compare the two readings.

Legend: N frames, E expressions.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffmvr.checks import check_same_shape, check_shape

Float64Array = NDArray[np.float64]


def expression_error(restored: ArrayLike, clean: ArrayLike, ranges: ArrayLike) -> Float64Array:
    """Return how far each expression is off on average, as a share of its range.

    Args:
        restored: ``[N, E]`` read from the restored frames.
        clean: ``[N, E]`` read from the clean frames.
        ranges: ``[E, 2]`` smallest and largest value of each expression.

    Returns:
        ``[E]`` mean absolute differences; 0 = the same, 1 = from one end of the range to the
        other; NaN if there is no frame.

    Raises:
        ValueError: if the shapes do not fit, or a range is empty.
    """
    a, b = np.asarray(restored, np.float64), np.asarray(clean, np.float64)
    bounds = np.asarray(ranges, np.float64)
    check_shape("restored", a, (None, None))
    check_same_shape("restored", a, "clean", b)
    check_shape("ranges", bounds, (a.shape[1], 2))
    span = bounds[:, 1] - bounds[:, 0]
    if not (span > 0).all():
        raise ValueError(f"ranges: expected a low below a high in each, got {bounds.tolist()}")
    if not len(a):
        return np.full(a.shape[1], np.nan)
    error: Float64Array = (np.abs(a - b) / span).mean(axis=0)
    return error


def state_agreement(restored: ArrayLike, clean: ArrayLike) -> float:
    """Return the share of frames in which both readings name the same state.

    Args:
        restored: ``[N]`` indices of states read from the restored frames.
        clean: ``[N]`` those read from the clean frames.

    Returns:
        Between 0 and 1, NaN if there is no frame.

    Raises:
        ValueError: if the shapes do not fit.
    """
    a, b = np.asarray(restored), np.asarray(clean)
    check_shape("restored", a, (None,))
    check_same_shape("restored", a, "clean", b)
    return float((a == b).mean()) if len(a) else float("nan")
