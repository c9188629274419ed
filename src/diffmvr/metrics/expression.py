"""Does the restored face still say what the clean one says?

Some network reads expressions and states from the restored and from the clean frames; these
functions compare the two readings.

Legend: N frames, E expressions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchmetrics import Metric

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.metrics.images import MeanOverFrames

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


class ExpressionError(Metric):
    """How far each expression is off on average over all frames seen, and all of them together.

    Args:
        ranges: ``[E, 2]`` smallest and largest value of each expression.
        names: E names of the expressions; by default their numbers.

    Example:
        >>> metric = ExpressionError([(0, 1), (-1, 1)], ["eyes", "mouth"])
        >>> metric.update(restored, clean)  # [N, E] readings
        >>> metric.compute()  # {"expression_error": …, "expression_error_eyes": …, …}

    Raises:
        ValueError: if there is not one name for each expression.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = False

    sums: Tensor
    counted: Tensor

    def __init__(
        self, ranges: ArrayLike, names: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.ranges = np.asarray(ranges, np.float64)
        self.names = list(map(str, range(len(self.ranges)))) if names is None else list(names)
        if len(self.names) != len(self.ranges):
            raise ValueError(
                f"names: expected {len(self.ranges)}, one for each range, got {self.names}"
            )
        zeros = torch.zeros(len(self.ranges), dtype=torch.float64)
        self.add_state("sums", default=zeros, dist_reduce_fx="sum")
        self.add_state("counted", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add frames.

        Args:
            preds: ``[N, E]`` read from the restored frames.
            target: ``[N, E]`` read from the clean frames.

        Raises:
            ValueError: as :func:`expression_error`.
        """
        error = expression_error(preds.detach().cpu(), target.detach().cpu(), self.ranges)
        if len(preds):
            self.sums += torch.from_numpy(error).to(self.sums) * len(preds)
            self.counted += len(preds)

    def compute(self) -> dict[str, Tensor]:
        """Return ``expression_error`` (the mean of all) and ``expression_error_NAME`` of each."""
        errors = self.sums / self.counted
        named = zip(self.names, errors, strict=True)
        return {
            "expression_error": errors.mean(),
            **{f"expression_error_{name}": error for name, error in named},
        }


class StateAgreement(MeanOverFrames):
    """Share of all frames seen in which both readings name the same state."""

    higher_is_better = True

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add frames.

        Args:
            preds: ``[N]`` indices of states read from the restored frames.
            target: ``[N]`` those read from the clean frames.

        Raises:
            ValueError: if the shapes do not fit.
        """
        check_shape("preds", preds, (None,))
        check_same_shape("preds", preds, "target", target)
        self.accumulate((preds == target).double())
