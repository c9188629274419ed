"""Figures of sweeps: what a setting gains in fidelity, and what it costs in motion."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from diffmvr.reporting.canvas import new_axes, save_figure, subject_mean
from diffmvr.reporting.differences import paired_clips
from diffmvr.reporting.label_placing import spread_labels
from diffmvr.reporting.run_collection import Run
from diffmvr.reporting.run_record import RunRecord
from diffmvr.reporting.tables import Compare

log = logging.getLogger(__name__)

FIDELITY = "psnr_hole"
MOTION = (
    ("tc", "TC (lower is steadier)"),
    ("tc_diff", "|TC − TC of the true frames|"),
    ("warp_error_hole", "Warp error inside the hole"),
)
SETTING_NAMES = {
    "loss.motion.weight": "λ",
    "loss.motion.reference": "reference",
    "guide.fusion": "fusion",
    "num_inference_steps": "sampling steps",
}


def trade_offs(runs: Sequence[Run], folder: Path, compare: Compare) -> list[Path]:
    """Draw fidelity against motion for each sweep, one point a setting.

    A sweep is all runs of one name; what it varies is read from the runs' records.
    """
    drawn = []
    for name in dict.fromkeys(run.record.name for run in runs):
        own = [run for run in runs if run.record.name == name]
        varied = _varied([run.record for run in own])
        if not varied:
            log.warning("sweep %s varies nothing; not drawn", name)
            continue
        drawn.append(trade_off(own, varied, folder / f"trade_off_{name}.png", compare))
    return drawn


def trade_off(runs: Sequence[Run], varied: Sequence[str], path: Path, compare: Compare) -> Path:
    """Draw PSNR inside the hole against TC, |TC − TC_gt| and the warp error.

    Bars are intervals of a point's own mean.  A hollow point is a tie with the point of the highest
    PSNR: the interval of their paired difference covers 0.

    Args:
        runs: of one sweep.
        varied: the settings that it varies; the last that is a number labels the points, the others
            tell the lines apart.
        path: the PNG.
        compare: gives the interval of a paired difference.
    """
    numbers = [key for key in varied if isinstance(runs[0].record.settings.get(key), int | float)]
    along = numbers[-1] if numbers else varied[-1]
    apart = [key for key in varied if key != along]
    points = _points(runs, along, apart, compare)
    shown = [(m, title) for m, title in MOTION if all(m in point.rows.columns for point in points)]
    figure, axes = new_axes(1, len(shown), (1.0 + 4.8 * len(shown), 4.6))
    for axis, (metric, title) in zip(axes.flat, shown, strict=True):
        for line in dict.fromkeys(point.line for point in points):
            own = [point for point in points if point.line == line]
            x, x_reach = zip(*(subject_mean(point.rows, metric) for point in own), strict=True)
            y, y_reach = zip(*(subject_mean(point.rows, FIDELITY) for point in own), strict=True)
            style = "-" if numbers else ""
            bars = axis.errorbar(
                x, y, xerr=x_reach, yerr=y_reach, linestyle=style, alpha=0.5, linewidth=1
            )
            colour = bars.lines[0].get_color()
            fills = ["white" if point.tie else colour for point in own]
            axis.scatter(x, y, c=fills, edgecolors=colour, zorder=3, label=line or None)
            for point, at_x, at_y in zip(own, x, y, strict=True):
                axis.annotate(point.label, (at_x, at_y), fontsize=8, color=colour)
        if metric == "tc" and all("tc_gt" in point.rows.columns for point in points):
            true = np.mean([subject_mean(point.rows, "tc_gt")[0] for point in points])
            axis.axvline(true, color="grey", linestyle=":", label="TC of the true frames")
        axis.set_xlabel(title)
        axis.set_ylabel("PSNR inside the hole (dB)")
        axis.grid(alpha=0.3)
        axis.locator_params(axis="x", nbins=5)
    if axes.flat[0].get_legend_handles_labels()[1]:
        axes.flat[0].legend(fontsize=8)
    figure.suptitle(f"Points: {_called(along)}; hollow: a tie with the highest PSNR", fontsize=10)
    for axis in axes.flat:
        spread_labels(figure, axis)
    return save_figure(figure, path)


@dataclass(frozen=True)
class _Point:
    """One setting of a sweep.

    Attributes:
        line: what tells its line from the others.
        value: its place on the line.
        rows: of the model, all seeds.
        tie: whether it is as good in fidelity as the best of the sweep, and not the best itself.
    """

    line: str
    value: Any
    rows: pl.DataFrame
    tie: bool = False

    @property
    def label(self) -> str:
        return f"{self.value:g}" if isinstance(self.value, int | float) else str(self.value)


def _points(
    runs: Sequence[Run], along: str, apart: Sequence[str], compare: Compare
) -> list[_Point]:
    """Return every setting, its seeds together, in the order of its line."""
    points = []
    for line in dict.fromkeys(_setting_text(run.record, apart) for run in runs):
        own = [run for run in runs if _setting_text(run.record, apart) == line]
        settings: set[Any] = {run.record.settings.get(along) for run in own}
        for value in sorted(settings):
            of_value = [run for run in own if run.record.settings.get(along) == value]
            rows = pl.concat([_of_model(run) for run in of_value], how="diagonal")
            if not rows.is_empty():
                points.append(_Point(line, value, rows))
    best = max(points, key=lambda point: subject_mean(point.rows, FIDELITY)[0])
    return [
        replace(point, tie=point is not best and _is_tie(point.rows, best.rows, compare))
        for point in points
    ]


def _is_tie(rows: pl.DataFrame, best: pl.DataFrame, compare: Compare) -> bool:
    both = paired_clips(rows, best, FIDELITY)
    if both["subject_id"].n_unique() < 2:
        return False
    scores = both[FIDELITY].to_numpy(), both["other"].to_numpy()
    return compare(*scores, both["subject_id"].to_list(), higher_is_better=True).verdict == "tie"


def _of_model(run: Run) -> pl.DataFrame:
    """Return the rows of the model the run is about: its own name, or that of an evaluation."""
    present = list(dict.fromkeys(run.rows["restorer"]))
    name = run.record.name if run.record.name in present else present[0]
    return run.rows.filter(restorer=name)


def _varied(records: Sequence[RunRecord]) -> list[str]:
    """Return the settings that differ between runs."""
    keys = dict.fromkeys(key for record in records for key in record.settings)
    return [key for key in keys if len({str(r.settings.get(key)) for r in records}) > 1]


def _setting_text(record: RunRecord, keys: Sequence[str]) -> str:
    return ", ".join(f"{_called(key)} {record.settings.get(key)}" for key in keys)


def _called(key: str) -> str:
    return SETTING_NAMES.get(key, key)
