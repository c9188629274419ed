"""Figures of sweeps: what a setting gains in fidelity, and what it costs in motion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from diffmvr.metrics.bootstrap import paired_bootstrap
from diffmvr.reporting.canvas import new_axes, save_figure, subject_mean
from diffmvr.reporting.differences import paired_clips
from diffmvr.reporting.label_placing import spread_labels
from diffmvr.reporting.sweeps import FIDELITY, Sweep

MOTION = (
    ("tc", "TC (lower is steadier)"),
    ("tc_diff", "|TC − TC of the true frames|"),
    ("warp_error_hole", "Warp error inside the hole"),
)


def trade_offs(sweeps: Sequence[Sweep], folder: Path) -> list[Path]:
    """Draw fidelity against motion for each sweep, one point a setting."""
    return [trade_off(sweep, folder / f"trade_off_{sweep.name}.png") for sweep in sweeps]


def trade_off(sweep: Sweep, path: Path) -> Path:
    """Draw PSNR inside the hole against TC, |TC − TC_gt| and the warp error.

    Bars are intervals of a point's own mean.  A hollow point is a tie with the point of the highest
    PSNR: the interval of their paired difference covers 0.

    Args:
        sweep: the settings.
        path: the PNG.
    """
    points, best = sweep.points, sweep.best
    ties = {p.name for p in points if p is not best and _is_tie(p.rows, best.rows)}
    shown = [(m, title) for m, title in MOTION if all(m in point.rows.columns for point in points)]
    figure, axes = new_axes(1, len(shown), (1.0 + 4.8 * len(shown), 4.6))
    for axis, (metric, title) in zip(axes.flat, shown, strict=True):
        for line in dict.fromkeys(point.line for point in points):
            own = [point for point in points if point.line == line]
            x, x_reach = zip(*(subject_mean(point.rows, metric) for point in own), strict=True)
            y, y_reach = zip(*(subject_mean(point.rows, FIDELITY) for point in own), strict=True)
            style = "-" if sweep.is_of_numbers else ""
            bars = axis.errorbar(
                x, y, xerr=x_reach, yerr=y_reach, linestyle=style, alpha=0.5, linewidth=1
            )
            colour = bars.lines[0].get_color()
            fills = ["white" if point.name in ties else colour for point in own]
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
    seeds = f"seed{'s' if len(best.seeds) > 1 else ''} {', '.join(map(str, best.seeds))}"
    title = f"Points: {best.along}; hollow: a tie with the highest PSNR; {seeds}"
    figure.suptitle(title, fontsize=10)
    for axis in axes.flat:
        spread_labels(figure, axis)
    return save_figure(figure, path)


def _is_tie(rows: pl.DataFrame, best: pl.DataFrame) -> bool:
    both = paired_clips(rows, best, FIDELITY)
    if both["subject_id"].n_unique() < 2:
        return False
    scores = both[FIDELITY].to_numpy(), both["other"].to_numpy()
    return paired_bootstrap(*scores, both["subject_id"].to_list()).verdict == "tie"
