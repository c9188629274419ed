"""The settings of a sweep, each with the rows of all its seeds, and a table of them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from diffmvr.checks import check_name
from diffmvr.reporting.canvas import subject_mean
from diffmvr.reporting.comparison import comparison_table
from diffmvr.reporting.run_collection import Run
from diffmvr.reporting.tables import DEFAULT_COLUMNS, Column, Table
from diffmvr.run_record import RunRecord

log = logging.getLogger(__name__)

FIDELITY = "psnr_hole"
"""What the best setting of a sweep has the highest of."""

SETTING_NAMES = {
    "loss.motion.weight": "λ",
    "loss.motion.reference": "reference",
    "guide.fusion": "fusion",
    "guide.pathway": "pathway",
    "guide.tokens": "tokens",
    "trainer.max_steps": "training steps",
    "num_inference_steps": "sampling steps",
}
COLUMNS = (*DEFAULT_COLUMNS, Column("tc", "TC", False, 5))


@dataclass(frozen=True)
class SweepPoint:
    """One setting of a sweep.

    Attributes:
        line: what tells its line from the others, e.g. ``"reference zero"``; may be empty.
        along: what varies on a line, e.g. ``"λ"``.
        value: its place on the line.
        rows: score rows of the model, all seeds.
    """

    line: str
    along: str
    value: Any
    rows: pl.DataFrame

    @property
    def seeds(self) -> list[int]:
        """The seeds it was run with."""
        return sorted(set(self.rows["seed"]))

    @property
    def label(self) -> str:
        """Its value as text."""
        number = isinstance(self.value, int | float)
        return f"{self.value:g}" if number else str(self.value)

    @property
    def name(self) -> str:
        """The whole setting as text."""
        return ", ".join(part for part in (self.line, f"{self.along} {self.label}") if part)


@dataclass(frozen=True)
class Sweep:
    """All runs of one name, or of one sweep.

    Attributes:
        name: it.
        points: its settings in the order of their lines, all with the same seeds.
    """

    name: str
    points: tuple[SweepPoint, ...]

    @property
    def best(self) -> SweepPoint:
        """The setting with the highest PSNR inside the hole."""
        return max(self.points, key=lambda point: subject_mean(point.rows, FIDELITY)[0])

    @property
    def is_of_numbers(self) -> bool:
        """Whether what varies on a line is a number."""
        return all(isinstance(point.value, int | float) for point in self.points)

    def table(self) -> Table:
        """Return the settings compared with the best one; the seeds of a clip are averaged."""
        named = [point.rows.with_columns(restorer=pl.lit(point.name)) for point in self.points]
        rows = pl.concat(named, how="diagonal")
        return comparison_table(
            rows,
            columns=[column for column in COLUMNS if column.metric in rows.columns],
            reference=self.best.name,
        )


def find_sweeps(runs: Sequence[Run]) -> Iterator[Sweep]:
    """Yield the sweeps among runs; what each varies is read from the runs' records.

    The last setting that is a number varies along a line, the others tell the lines apart.

    Raises:
        ValueError: if there is no seed that all settings of a sweep were run with, or its name is
            no plain name.
    """
    for name in dict.fromkeys(_sweep_name(run) for run in runs):
        own = [run for run in runs if _sweep_name(run) == name]
        varied = _varied([run.record for run in own])
        if not varied:
            log.warning("sweep %s varies nothing; not shown", name)
            continue
        # Files with tables and figures are called so.
        check_name("sweep (name in run.json)", name)
        numbers = [k for k in varied if isinstance(own[0].record.settings.get(k), int | float)]
        along = numbers[-1] if numbers else varied[-1]
        apart = [key for key in varied if key != along]
        points = _with_common_seeds(name, list(_points(own, along, apart)))
        yield Sweep(name, tuple(points))


def _sweep_name(run: Run) -> str:
    return run.record.sweep or run.record.name


def _points(runs: Sequence[Run], along: str, apart: Sequence[str]) -> Iterator[SweepPoint]:
    """Yield every setting that has rows, its seeds together."""
    for line in dict.fromkeys(_setting_text(run.record, apart) for run in runs):
        own = [run for run in runs if _setting_text(run.record, apart) == line]
        settings: set[Any] = {run.record.settings.get(along) for run in own}
        for value in sorted(settings):
            of_value = [run for run in own if run.record.settings.get(along) == value]
            rows = pl.concat([_of_model(run) for run in of_value], how="diagonal")
            if not rows.is_empty():
                yield SweepPoint(line, _called(along), value, rows)


def _with_common_seeds(name: str, points: Sequence[SweepPoint]) -> list[SweepPoint]:
    """Leave the seeds that all settings have: seeds may differ by more than settings do."""
    common = sorted(set.intersection(*(set(point.seeds) for point in points)))
    if not common:
        seeds = {point.name: point.seeds for point in points}
        raise ValueError(f"sweep {name}: expected a seed that all settings have, got {seeds}")
    if any(point.seeds != common for point in points):
        log.warning("sweep %s: some settings have more seeds than others; shown: %s", name, common)
    return [
        replace(point, rows=point.rows.filter(pl.col("seed").is_in(common))) for point in points
    ]


def _of_model(run: Run) -> pl.DataFrame:
    """Return the rows of the model the run is about: its own name, or that of an evaluation."""
    return run.rows.filter(restorer=run.model)


def _varied(records: Sequence[RunRecord]) -> list[str]:
    """Return the settings that differ between runs."""
    keys = dict.fromkeys(key for record in records for key in record.settings)
    return [key for key in keys if len({str(r.settings.get(key)) for r in records}) > 1]


def _setting_text(record: RunRecord, keys: Sequence[str]) -> str:
    return ", ".join(f"{_called(key)} {record.settings.get(key)}" for key in keys)


def _called(key: str) -> str:
    return SETTING_NAMES.get(key, key)
