"""How well doubt keeps its promise for people who had no part in its calibration.

Everything is counted by person: a share is first a person's own, then a mean over people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from diffmvr.doubt.conformal import grouped_quantile, guaranteed_quantile, pooled_quantile
from diffmvr.doubt.features import FEATURES
from diffmvr.doubt.fitting import Witness, fit
from diffmvr.doubt.model import DoubtModel, level_name
from diffmvr.structures import FloatArray

LEVEL = 0.90
NORMAL_90 = 1.645

AGES = (0.0, 0.5, 1.0, 2.0, np.inf)
SHARES = (0.0, 0.1, 0.25, 0.5, 1.01)
KEPT = np.round(np.arange(0.1, 1.001, 0.05), 2)


@dataclass(frozen=True, eq=False)
class Tested:
    """A person with what a model says that this person had no part in.

    Attributes:
        witness: the person.
        half_width: by method, ``[N]`` half widths of the pixels' intervals in grey levels.
        expected: ``[T]``, expected error of each frame.
        frame_width: its error lies between expected / width and expected · width.
        expression: ``[T]`` expected errors of expression, NaN for none, and their width.
    """

    witness: Witness
    half_width: dict[str, NDArray[np.floating]]
    expected: FloatArray
    frame_width: float
    expression: FloatArray
    expression_width: float

    def covered(self, method: str) -> NDArray[np.bool_]:
        """Return ``[N, 3]``, which values lie in their intervals."""
        return self.witness.errors <= np.asarray(self.half_width[method])[:, None]


def examine(
    witness: Witness, others: Sequence[Witness], model: DoubtModel, level: float = LEVEL
) -> Tested:
    """Say of a person what a calibration on others says, and what simpler ways would say.

    Args:
        witness: the person.
        others: whom ``model`` was calibrated on.
        model: it.
        level: share that is promised.
    """
    sigma = model.sigma(witness.features.T)
    name = level_name(level)
    theirs = [one.scores(model.sigma(one.features.T)) for one in others]
    errors = [one.errors.ravel() for one in others]
    trial = witness.features[:, FEATURES.index("trial_error")]
    half_width = {
        "calibrated": model.pixel_widths[name] * sigma,
        "guaranteed for so few people": guaranteed_quantile(theirs, level) * sigma,
        "plain quantile over pixels": pooled_quantile(theirs, level) * sigma,
        "constant width": np.full(len(sigma), grouped_quantile(errors, level)),
    }
    if np.isfinite(trial).all():
        half_width["own clear frames alone"] = NORMAL_90 * trial
    expected = witness.expected(model)
    expression = np.full(len(expected), np.nan)
    if model.expression:
        rows = zip(witness.hidden_share, witness.age, expected, strict=True)
        expression = np.array(
            [
                model.expected_expression_error(
                    float(share), None if np.isnan(age) else float(age), float(error)
                )
                for share, age, error in rows
            ]
        )
    return Tested(
        witness,
        half_width,
        expected,
        model.frame_widths[name],
        expression,
        model.expression_widths.get(name, np.nan),
    )


def leave_one_out(witnesses: Sequence[Witness], level: float = LEVEL) -> list[Tested]:
    """Examine each person by a calibration on all the others, weights included."""
    tested = []
    for place, one in enumerate(witnesses):
        others = [*witnesses[:place], *witnesses[place + 1 :]]
        tested.append(examine(one, others, fit(others), level))
    return tested


def by_person(tested: Sequence[Tested], group: str) -> pl.DataFrame:
    """Return one row a person and method: coverage, mean half width, frames and expressions."""
    rows = []
    for one in tested:
        ratio = np.maximum(one.witness.frame_error, 1e-6) / one.expected
        inside = np.abs(np.log(ratio)) <= np.log(one.frame_width)
        measured = np.isfinite(one.witness.expression_error) & np.isfinite(one.expression)
        expression = None
        if measured.any() and np.isfinite(one.expression_width):
            ratio = one.witness.expression_error[measured] / one.expression[measured]
            within = np.abs(np.log(np.maximum(ratio, 1e-6))) <= np.log(one.expression_width)
            expression = float(within.mean())
        for method, half_width in one.half_width.items():
            rows.append(
                {
                    "group": group,
                    "person": one.witness.person,
                    "source": one.witness.source,
                    "method": method,
                    "coverage": float(one.covered(method).mean()),
                    "half_width": float(np.mean(half_width)),
                    "mean_error": float(one.witness.errors.mean()),
                    "frames": len(one.expected),
                    "frame_coverage": float(inside.mean()),
                    "expression_coverage": expression,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def over_people(rows: pl.DataFrame, keys: Sequence[str] = ("group", "method")) -> pl.DataFrame:
    """Return means over people, with the standard error of the coverage over people."""
    return rows.group_by(*keys, maintain_order=True).agg(
        people=pl.col("person").n_unique(),
        coverage=pl.col("coverage").mean(),
        standard_error=pl.col("coverage").std() / pl.len().sqrt(),
        least=pl.col("coverage").min(),
        half_width=pl.col("half_width").mean(),
        mean_error=pl.col("mean_error").mean(),
        frame_coverage=pl.col("frame_coverage").mean(),
        expression_coverage=pl.col("expression_coverage").mean(),
    )


def by_circumstance(tested: Sequence[Tested], group: str) -> pl.DataFrame:
    """Return the coverage by hidden share and by age; people who have such frames count alike."""
    rows = []
    for name, edges, values in (
        ("hidden share", SHARES, lambda one: one.witness.hidden_share),
        ("age, s", AGES, lambda one: one.witness.age),
    ):
        for low, high in pairwise(edges):
            rows += _in_range(tested, group, name, (low, high), values)
    return pl.DataFrame(rows)


def _in_range(
    tested: Sequence[Tested],
    group: str,
    name: str,
    bounds: tuple[float, float],
    values: Callable[[Tested], FloatArray],
) -> list[dict[str, object]]:
    shares, widths = [], []
    for one in tested:
        frames = (values(one) >= bounds[0]) & (values(one) < bounds[1])
        pixels = frames[one.witness.frame]
        if pixels.any():
            shares.append(one.covered("calibrated")[pixels].mean())
            widths.append(np.asarray(one.half_width["calibrated"])[pixels].mean())
    if not shares:
        return []
    return [
        {
            "group": group,
            "circumstance": name,
            "from": bounds[0],
            "to": bounds[1],
            "people": len(shares),
            "coverage": float(np.mean(shares)),
            "half_width": float(np.mean(widths)),
        }
    ]


def risk_curve(tested: Sequence[Tested], order: Callable[[Tested], FloatArray]) -> FloatArray:
    """Return ``[len(KEPT)]``, the mean error of the frames that are kept, people counting alike.

    Args:
        tested: people.
        order: ``[T]`` of a person; frames of the least of it are kept, over all people.
    """
    values = np.concatenate([order(one) for one in tested])
    errors = np.concatenate([one.witness.frame_error for one in tested])
    mass = np.concatenate([np.full(len(one.expected), 1 / len(one.expected)) for one in tested])
    place = np.argsort(values, kind="stable")
    errors, mass = errors[place], mass[place]
    share = np.cumsum(mass) / mass.sum()
    total = np.cumsum(errors * mass) / np.cumsum(mass)
    return np.array([total[int(np.argmax(share >= kept - 1e-9))] for kept in KEPT])


def risk_rows(tested: Sequence[Tested], group: str) -> pl.DataFrame:
    """Return the mean error of kept frames by how they are chosen."""
    orders: dict[str, Callable[[Tested], FloatArray]] = {
        "expected error": lambda one: one.expected,
        "age": lambda one: np.nan_to_num(one.witness.age, nan=np.inf),
        "hidden share": lambda one: one.witness.hidden_share,
        "the error itself (bound)": lambda one: one.witness.frame_error,
    }
    frames = [
        pl.DataFrame(
            {
                "group": group,
                "kept by": name,
                "kept": KEPT,
                "mean_error": risk_curve(tested, order),
            }
        )
        for name, order in orders.items()
    ]
    return pl.concat(frames)


def resplits(
    witnesses: Sequence[Witness],
    model: DoubtModel,
    times: int = 1000,
    seed: int = 0,
    level: float = LEVEL,
) -> pl.DataFrame:
    """Split people at random into halves again and again: calibrate on one, cover the other.

    Args:
        witnesses: people; ``model`` was fitted on none of them.
        model: its σ is used, its widths are not.
        times: how often.
        seed: of the splits.
        level: share that is promised.

    Returns:
        One row a split: coverage by the quantile over people, by the one that is guaranteed for
        so few, and by the plain one over pixels.
    """
    # Every tenth in order: a thousand sorts of all would take minutes.
    scores = [np.sort(one.scores(model.sigma(one.features.T)))[5::10] for one in witnesses]
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(times):
        order = rng.permutation(len(scores))
        half = len(scores) // 2
        calibration = [scores[k] for k in order[:half]]
        row: dict[str, float] = {"split": number}
        for name, quantile in (
            ("people", grouped_quantile),
            ("guaranteed", guaranteed_quantile),
            ("pixels", pooled_quantile),
        ):
            threshold = quantile(calibration, level)
            shares = [
                np.searchsorted(scores[k], threshold, side="right") / len(scores[k])
                for k in order[half:]
            ]
            row[name] = float(np.mean(shares))
        rows.append(row)
    return pl.DataFrame(rows)
