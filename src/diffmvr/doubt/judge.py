"""Says how sure restored frames are, by a calibration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.checks import check_number, check_one_of
from diffmvr.doubt.features import FEATURES, pixel_features
from diffmvr.doubt.judgement import DoubtMap, FrameDoubt, Judged
from diffmvr.doubt.model import DoubtModel, level_name
from diffmvr.doubt.sight import Sight
from diffmvr.doubt.words import reasons

SHIPPED = Path(__file__).with_name("calibration.json")
LEVEL = 0.90


class CalibratedJudge:
    """Judges frames by a model of doubt; see ``DoubtModel`` for what its intervals promise.

    Args:
        model: the calibration.
        level: share of the truth that the intervals are to hold.
        abstain: frames of a larger expected error, in grey levels, are not to be shown, nor are
            those of which none can be told; ``None`` shows all.

    Raises:
        ValueError: if a value is out of range, or the calibration's people are too few.
    """

    def __init__(
        self, model: DoubtModel, level: float = LEVEL, abstain: float | None = None
    ) -> None:
        name = level_name(level)
        if name not in model.pixel_widths:
            levels = sorted(model.pixel_widths)
            raise ValueError(
                f"doubt.level: expected {levels[0]} to {levels[-1]} in steps of 0.01, as "
                f"{sum(model.people.values())} people of the calibration can tell, got {level}"
            )
        if abstain is not None:
            check_number("abstain", abstain, 0, 255)
        self.model = model
        self._abstain = abstain
        self._pixel, self._frame = model.pixel_widths[name], model.frame_widths[name]
        self._expression = model.expression_widths.get(name)

    @classmethod
    def from_settings(
        cls, settings: Mapping[str, Any], abstain: float | None = None
    ) -> "CalibratedJudge":
        """Open what settings by name say: ``level`` and ``calibration``, a file.

        Raises:
            FileNotFoundError: if the file is missing.
            ValueError: if a setting is unknown or wrong, or the file is no calibration.
        """
        for name in settings:
            check_one_of("doubt", name, ("level", "calibration"))
        level = settings.get("level", LEVEL)
        if isinstance(level, bool) or not isinstance(level, int | float):
            raise ValueError(f"doubt.level: expected a number such as 0.9, got {level!r}")
        file = settings.get("calibration")
        model = DoubtModel.from_file(SHIPPED if file is None else Path(file))
        return cls(model, float(level), abstain)

    def __call__(self, sight: Sight) -> Judged:
        """Judge one frame; several may be judged at once."""
        features = pixel_features(sight)
        sigma = self.model.sigma(features)
        inside = sight.evidence.mask != 0
        if not inside.any():
            inside = np.ones_like(inside)
        expected = self.model.expected_error(sigma[inside])
        means = self.model.filled(features[:, inside]).mean(axis=1)
        named = dict(zip(FEATURES, means.tolist(), strict=True))
        shares = {name: self.model.weights[name] * value for name, value in named.items()}
        abstained = self._abstain is not None and expected > self._abstain
        expression = self.model.expected_expression_error(sight.hidden_share, sight.age, expected)
        frame = FrameDoubt(
            expected_error=round(expected, 2),
            error_interval=_around(expected, self._frame, 2),
            expression_error=None if expression is None else round(expression, 4),
            expression_interval=(
                None
                if expression is None or self._expression is None
                else _around(expression, self._expression, 4)
            ),
            age=None if sight.age is None else round(sight.age, 3),
            hidden_share=round(sight.hidden_share, 4),
            abstained=abstained,
            why=reasons(sight, named, self.model.usual, shares, at_least_one=abstained),
        )
        return Judged(frame, DoubtMap.of(self._pixel * sigma, sight.matrix))

    def blind(self, hidden_share: float | None, why: str) -> Judged:
        """Say that nothing is known to judge a frame by: not shown if anything is withheld."""
        share = None if hidden_share is None else round(hidden_share, 4)
        abstained = self._abstain is not None
        return Judged(FrameDoubt(None, None, None, None, None, share, abstained, (why,)))


def _around(expected: float, factor: float, digits: int) -> tuple[float, float]:
    return round(expected / factor, digits), round(expected * factor, digits)
