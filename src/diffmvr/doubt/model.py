"""The error that is to be expected, as a sum that can be read, and intervals around it.

At each hidden pixel the expected absolute error is

    σ = Σ_j w_j f_j,   w_j ≥ 0, in grey levels,

of the features f (``features.py``): more of any of them never means less doubt.  The truth lies
within q · σ of what is shown with the promised share; q is a ``conformal`` quantile.  What a
recording's own clear frames were wrong by, hidden and restored, is one of the features: it refines
σ for this recording, by the same rule in every recording, so that people stay exchangeable and the
promise holds as it is.

Of a frame the root mean square of σ over the hole says the error that is to be expected.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffmvr.doubt.features import FEATURES
from diffmvr.files import read_json, write_json
from diffmvr.structures import FloatArray

LEAST_SIGMA = 0.25
"""Grey levels; nothing is surer than that."""

LEVELS = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))
"""Shares that can be promised, if there are people enough: 0.50, 0.51, … 0.99."""

FRAME_TERMS = ("always", "hidden", "age", "expected_error")
"""What the expected error of an expression is a sum of."""


@dataclass(frozen=True)
class DoubtModel:
    """What calibration has found; see ``fitting``.

    Attributes:
        weights: w ≥ 0 of each feature.
        usual: of each feature, mean over the hole of a frame: the median and the 90 % quantile over
            the frames of the calibration, people counting alike, and the largest.
        pixel_widths: by level (``"0.90"``), q of a pixel: half width of its interval in σ.
        frame_factor: expected root mean squared error of a frame, in root mean squares of σ.
        frame_widths: by level, q of a frame: its error lies between expected / q and expected · q.
        expression: weights ≥ 0 of ``FRAME_TERMS`` that give the expected error of the blendshapes;
            empty where none was measured.
        expression_widths: by level, the same as ``frame_widths``.
        people: how many people of each source it was calibrated on.
        weights_sha256: hash of the restoration model's weights, by file.
        made_by: the command.
    """

    weights: Mapping[str, float]
    usual: Mapping[str, Mapping[str, float]]
    pixel_widths: Mapping[str, float]
    frame_factor: float
    frame_widths: Mapping[str, float]
    expression: Mapping[str, float]
    expression_widths: Mapping[str, float]
    people: Mapping[str, int]
    weights_sha256: Mapping[str, str]
    made_by: str

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return np.array([self.weights[name] for name in FEATURES], np.float32)

    def sigma(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the expected absolute errors, in grey levels.

        Args:
            features: ``[F, ...]``; NaN counts as the largest of the calibration.

        Returns:
            ``[...]`` float32.
        """
        known = self.filled(features)
        total = np.tensordot(self._weights, known, axes=1)
        return np.maximum(total, np.float32(LEAST_SIGMA))

    def filled(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features without NaN: what is not known is as bad as it has ever been."""
        if np.isfinite(features).all():
            return features
        worst = np.array([self.usual[name]["most"] for name in FEATURES], np.float32)
        return np.where(
            np.isfinite(features), features, worst[(..., *[None] * (features.ndim - 1))]
        )

    def expected_error(self, sigma: NDArray[np.float32]) -> float:
        """Return the root mean squared error to be expected of hidden pixels, in grey levels."""
        return float(self.frame_factor * np.sqrt((sigma.astype(np.float64) ** 2).mean()))

    def expected_expression_error(
        self, hidden_share: float, age: float | None, expected_error: float
    ) -> float | None:
        """Return the expected mean error of the blendshapes; ``None`` where none was measured."""
        if not self.expression:
            return None
        late = self.usual["age"]["most"] if age is None else float(np.log1p(abs(age)))
        terms = dict(zip(FRAME_TERMS, (1.0, hidden_share, late, expected_error), strict=True))
        return float(sum(self.expression[name] * value for name, value in terms.items()))

    @classmethod
    def from_file(cls, path: Path) -> "DoubtModel":
        """Read a calibration.

        Raises:
            FileNotFoundError: if it is missing.
            ValueError: if it is none, naming what is wrong.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"doubt.calibration: {path} is no file; give one that "
                "experiments/calibrate_doubt.py wrote, or leave it out for the one that ships"
            )
        content = read_json(path)
        try:
            model = cls(**content)
            model.check()
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(
                f"doubt.calibration: {path} is no calibration ({error}); give one that "
                "experiments/calibrate_doubt.py wrote, or leave it out for the one that ships"
            ) from error
        return model

    def check(self) -> None:
        """Require finite numbers ≥ 0 for every feature and level.

        Raises:
            ValueError: naming what is missing or wrong.
        """
        tables: dict[str, Mapping[str, Any]] = {
            "weights": self.weights,
            "pixel_widths": self.pixel_widths,
            "frame_widths": self.frame_widths,
            "expression": self.expression,
            "expression_widths": self.expression_widths,
            "frame_factor": {"": self.frame_factor},
            **{f"usual.{name}": values for name, values in self.usual.items()},
        }
        if set(self.weights) != set(FEATURES) or set(self.usual) != set(FEATURES):
            raise ValueError(f"expected the features {list(FEATURES)}, got {list(self.weights)}")
        if self.expression and set(self.expression) != set(FRAME_TERMS):
            raise ValueError(f"expected the terms {list(FRAME_TERMS)}, got {list(self.expression)}")
        for table, values in tables.items():
            for name, value in values.items():
                if not (isinstance(value, int | float) and np.isfinite(value) and value >= 0):
                    raise ValueError(f"{table}: expected a number ≥ 0 for {name!r}, got {value!r}")
        if not self.pixel_widths or set(self.pixel_widths) != set(self.frame_widths):
            raise ValueError("expected the same levels in pixel_widths and frame_widths")

    def write(self, path: Path) -> Path:
        """Write the calibration as JSON."""
        return write_json(path, asdict(self))


def level_name(level: float) -> str:
    """Return how a table of widths calls a level: ``"0.90"``."""
    return f"{level:.2f}"


def frame_terms(hidden_share: FloatArray, age: FloatArray, expected: FloatArray) -> FloatArray:
    """Return ``[N, 4]``, the ``FRAME_TERMS`` of frames; ``age`` in seconds."""
    return np.column_stack([np.ones(len(age)), hidden_share, np.log1p(np.abs(age)), expected])
