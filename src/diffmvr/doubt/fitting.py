"""Find weights and widths from restored frames whose truth is known.

N pixels, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from diffmvr.checks import check_shape
from diffmvr.doubt.conformal import grouped_quantile, largest_level, pooled
from diffmvr.doubt.features import FEATURES
from diffmvr.doubt.model import (
    FRAME_TERMS,
    LEAST_SIGMA,
    LEVELS,
    DoubtModel,
    frame_terms,
    level_name,
)
from diffmvr.structures import FloatArray

ROUNDS = 12
"""Rounds of reweighting; weights have settled long before."""


@dataclass(frozen=True, eq=False)
class Witness:
    """Restored frames of one person, their truth known.

    Attributes:
        person: who; nobody is two witnesses.
        source: where the recording is from.
        features: ``[N, F]`` float32, of some hidden pixels; NaN where unknown.
        errors: ``[N, 3]`` float32, absolute errors of their channels in grey levels.
        frame: ``[N]`` int, which frame each is of, from 0.
        frame_error: ``[T]``, root mean squared error of each frame in its hole.
        hidden_share: ``[T]``, of the face.
        age: ``[T]`` seconds; NaN for none.
        expression_error: ``[T]``, mean error of the blendshapes; NaN where none was measured.
    """

    person: str
    source: str
    features: NDArray[np.float32]
    errors: NDArray[np.float32]
    frame: NDArray[np.int64]
    frame_error: FloatArray
    hidden_share: FloatArray
    age: FloatArray
    expression_error: FloatArray

    def __post_init__(self) -> None:
        check_shape("features", self.features, (None, len(FEATURES)))
        check_shape("errors", self.errors, (len(self.features), 3))
        check_shape("frame", self.frame, (len(self.features),))

    def scores(self, sigma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the errors of all values in σ, ``[3 · N]``."""
        return np.asarray((self.errors / sigma[:, None]).ravel())

    def expected(self, model: DoubtModel) -> FloatArray:
        """Return ``[T]``, the error that a model expects of each frame."""
        sigma = model.sigma(self.features.T)
        return np.array(
            [model.expected_error(sigma[self.frame == t]) for t in range(len(self.frame_error))]
        )


def fit(
    witnesses: Sequence[Witness],
    calibrators: Sequence[Witness] | None = None,
    weights_sha256: Mapping[str, str] | None = None,
    made_by: str = "",
) -> DoubtModel:
    """Find a model's weights, and the widths of its intervals.

    With the same people for both, the widths are a little too small, as of a fit's own residuals:
    few weights are found from many people, so that it is little.

    Args:
        witnesses: whom the weights are found from.
        calibrators: whom the widths are found from; ``None``: the same.
        weights_sha256: hash of the restoration model's weights, by file.
        made_by: the command, for the file.

    Raises:
        ValueError: if they are too few for the lowest level, or one person is two.
    """
    calibrators = witnesses if calibrators is None else calibrators
    names = [one.person for one in calibrators]
    if len(set(names)) != len(names):
        raise ValueError(f"calibrators: expected different people, got {sorted(names)}")
    usual = _usual(witnesses)
    weights = fit_weights(witnesses, usual)
    sources = sorted({one.source for one in calibrators})
    bare = DoubtModel(
        weights=weights,
        usual=usual,
        pixel_widths={},
        frame_factor=1.0,
        frame_widths={},
        expression={},
        expression_widths={},
        people={name: sum(one.source == name for one in calibrators) for name in sources},
        weights_sha256=dict(weights_sha256 or {}),
        made_by=made_by,
    )
    return _with_widths(bare, witnesses, calibrators)


def fit_weights(
    witnesses: Sequence[Witness], usual: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Return w ≥ 0 of the features, so that w · f is the mean absolute error.

    Reweighted non-negative least squares; its fixed point is the greatest likelihood of an
    exponential distribution with that mean.  Every person counts the same.
    """
    worst = np.array([usual[name]["most"] for name in FEATURES])
    pairs = [
        (np.where(np.isfinite(one.features), one.features, worst), one.errors.mean(axis=1))
        for one in witnesses
    ]
    features = np.concatenate([pair[0] for pair in pairs]).astype(np.float64)
    errors = np.concatenate([pair[1] for pair in pairs]).astype(np.float64)
    shares = np.concatenate([np.full(len(pair[1]), 1 / len(pair[1])) for pair in pairs])
    size = np.sqrt((features**2).mean(axis=0)) + 1e-12
    sigma = np.full(len(errors), max(float(errors.mean()), LEAST_SIGMA))
    weights = np.zeros(features.shape[1])
    for _ in range(ROUNDS):
        root = np.sqrt(shares) / sigma
        # The same least squares in F + 1 rows: nnls goes through all of them many times.
        system = np.column_stack([features / size, errors]) * root[:, None]
        small: Any = np.linalg.qr(system, mode="r")
        weights, _ = nnls(small[:, :-1], small[:, -1])
        sigma = np.maximum(features / size @ weights, LEAST_SIGMA)
    return dict(zip(FEATURES, (weights / size).tolist(), strict=True))


def _usual(witnesses: Sequence[Witness]) -> dict[str, dict[str, float]]:
    """Return median, 90 % quantile and the largest of each feature's means over frames."""
    means = [
        np.array([one.features[one.frame == t].mean(axis=0) for t in range(len(one.frame_error))])
        for one in witnesses
    ]
    usual = {}
    for place, name in enumerate(FEATURES):
        known = [one[np.isfinite(one[:, place]), place] for one in means]
        known = [one for one in known if len(one)]
        if not known:
            usual[name] = {"median": 0.0, "high": 0.0, "most": 0.0}
            continue
        values, masses = pooled(known)
        total = np.cumsum(masses)
        at = [values[int(np.searchsorted(total, share - 1e-9))] for share in (0.5, 0.9)]
        usual[name] = {"median": float(at[0]), "high": float(at[1]), "most": float(values[-1])}
    return usual


def _with_widths(
    bare: DoubtModel, witnesses: Sequence[Witness], calibrators: Sequence[Witness]
) -> DoubtModel:
    content = dict(vars(bare))
    pixels = [one.scores(bare.sigma(one.features.T)) for one in calibrators]
    # The factor between a mean of |error| and a root mean square, people counting alike.
    logs = [np.log(one.frame_error / one.expected(bare)).mean() for one in witnesses]
    content["frame_factor"] = float(np.exp(np.mean(logs)))
    scaled = DoubtModel(**content)
    frames = [_log_ratio(one.frame_error, one.expected(scaled)) for one in calibrators]
    content["pixel_widths"] = widths(pixels)
    content["frame_widths"] = {name: float(np.exp(q)) for name, q in widths(frames).items()}
    seen = [one for one in witnesses if np.isfinite(one.expression_error).any()]
    if len(seen) > len(FRAME_TERMS):
        content["expression"] = _fit_expression(seen, scaled)
        with_terms = DoubtModel(**content)
        ratios = [
            _log_ratio(*_expressions(one, with_terms))
            for one in calibrators
            if np.isfinite(one.expression_error).any()
        ]
        found = widths(ratios) if largest_level(len(ratios)) >= LEVELS[0] else {}
        content["expression_widths"] = {name: float(np.exp(q)) for name, q in found.items()}
    return DoubtModel(**content)


def widths(scores: Sequence[NDArray[np.floating]]) -> dict[str, float]:
    """Return the thresholds of every level that so many people can tell, by the level's name."""
    most = largest_level(len(scores))
    return {level_name(one): grouped_quantile(scores, one) for one in LEVELS if one <= most}


def _log_ratio(error: FloatArray, expected: FloatArray) -> FloatArray:
    return np.abs(np.log(np.maximum(error, 1e-6) / expected))


def _fit_expression(witnesses: Sequence[Witness], model: DoubtModel) -> dict[str, float]:
    terms, errors = [], []
    for one in witnesses:
        known = np.isfinite(one.expression_error)
        root = 1 / np.sqrt(known.sum())
        late = np.where(np.isfinite(one.age), one.age, np.nanmax(one.age))
        of_one = frame_terms(one.hidden_share, late, one.expected(model))[known]
        terms.append(of_one * root)
        errors.append(one.expression_error[known] * root)
    weights, _ = nnls(np.concatenate(terms), np.concatenate(errors))
    return dict(zip(FRAME_TERMS, weights.tolist(), strict=True))


def _expressions(one: Witness, model: DoubtModel) -> tuple[FloatArray, FloatArray]:
    """Return the measured errors of expression, and those that are expected."""
    known = np.isfinite(one.expression_error)
    rows = zip(one.hidden_share[known], one.age[known], one.expected(model)[known], strict=True)
    expected = [
        model.expected_expression_error(float(share), float(age), float(error))
        for share, age, error in rows
    ]
    return one.expression_error[known], np.maximum(np.array(expected, float), 1e-6)
