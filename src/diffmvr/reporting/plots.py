"""Figures drawn from the rows of runs: what the error depends on, trade-offs, training curves.

Bands and bars are 95 % intervals of the mean over subjects (normal approximation); they describe
each restorer alone.  Which of two is better is the tables' business, where they are paired.
"""

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from diffmvr.reporting.run_collection import Run
from diffmvr.reporting.run_record import RunRecord

log = logging.getLogger(__name__)

SHARE_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
AGE_EDGES = (1, 2, 3, 5, 7, 9, 12, 16)
CURVES = (
    ("train/loss_denoising", "Denoising loss"),
    ("train/loss_motion", "Motion loss"),
    ("val/loss_denoising", "Denoising loss, validation"),
    ("val/loss_motion", "Motion loss, validation"),
)
SETTING_NAMES = {
    "loss.motion.weight": "λ",
    "loss.motion.reference": "reference",
    "guide.fusion": "fusion",
    "num_inference_steps": "sampling steps",
}
MIN_SUBJECTS = 5
SMOOTHED_STEPS = 30
NORMAL_95 = 1.96


def draw_figures(
    runs: Sequence[Run], sweeps: Sequence[Run], labels: Mapping[str, str], folder: Path
) -> list[Path]:
    """Draw every figure whose rows are there.

    Args:
        runs: of the study.
        sweeps: of λ, fusion and sampling steps.
        labels: names to show, by restorer.
        folder: where the PNG files go.

    Returns:
        The files.
    """
    drawn = []
    frames = [run.frames for run in runs if run.frames is not None]
    if frames:
        whole = pl.concat(frames).unique(["restorer", "clip_id", "mask_type", "seed", "frame"])
        drawn.append(error_by_occlusion(whole, labels, folder / "error_by_occlusion.png"))
    trained = [run for run in runs if run.curves is not None and run.record.kind == "train"]
    if trained:
        drawn.append(training_curves(trained, labels, folder / "training_curves.png"))
    if sweeps:
        drawn += trade_offs(sweeps, folder)
    return drawn


def error_by_occlusion(frames: pl.DataFrame, labels: Mapping[str, str], path: Path) -> Path:
    """Draw PSNR inside the hole by hidden share of the face, and by age of the past frame.

    Args:
        frames: per-frame rows.
        labels: names to show, by restorer; those without one keep theirs.
        path: the PNG.
    """
    mask = "segmentation" if "segmentation" in set(frames["mask_type"]) else frames["mask_type"][0]
    own = frames.filter(mask_type=mask)
    figure, axes = _axes(1, 2, (11, 4.2))
    panels = (
        ("hidden_share", SHARE_EDGES, "Hidden share of the face box"),
        ("past_age", AGE_EDGES, "Age of the past frame (frames)"),
    )
    for axis, (column, edges, title) in zip(axes.flat, panels, strict=True):
        for restorer in dict.fromkeys(own["restorer"]):
            binned = _binned(own.filter(restorer=restorer), column, edges)
            if binned:
                x, y, reach = (np.array(values) for values in zip(*binned, strict=True))
                axis.plot(x, y, marker="o", markersize=3, label=labels.get(restorer, restorer))
                axis.fill_between(x, y - reach, y + reach, alpha=0.12)
        axis.set_xlabel(title)
        axis.set_ylabel("PSNR inside the hole (dB)")
        axis.grid(alpha=0.3)
    axes.flat[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return _save(figure, path)


def training_curves(runs: Sequence[Run], labels: Mapping[str, str], path: Path) -> Path:
    """Draw the losses of each experiment, averaged over its seeds.

    Args:
        runs: that logged their training; those with segmented masks are drawn if there are any.
        labels: names to show, by experiment.
        path: the PNG.

    Raises:
        ValueError: if none of the losses was logged.
    """
    outlines = [run for run in runs if run.record.mask_type == "segmentation"]
    chosen = outlines or list(runs)
    logged_metrics = {
        name for run in chosen if run.curves is not None for name in run.curves["metric"]
    }
    shown = [(metric, title) for metric, title in CURVES if metric in logged_metrics]
    if not shown:
        raise ValueError(f"curves: expected one of {[m for m, _ in CURVES]}, got {logged_metrics}")
    figure, axes = _axes(1, len(shown), (1.5 + 4.0 * len(shown), 4.0))
    for axis, (metric, title) in zip(axes.flat, shown, strict=True):
        for name in dict.fromkeys(run.record.name for run in chosen):
            logged = [
                run.curves.filter(metric=metric)
                for run in chosen
                if run.record.name == name and run.curves is not None
            ]
            means = pl.concat(logged).group_by("step").agg(pl.col("value").mean()).sort("step")
            if means.is_empty():
                continue
            # Every training step has its own noise level; a moving median shows the trend.
            window = max(1, SMOOTHED_STEPS // max(1, _interval(means["step"])))
            value = means["value"]
            if metric.startswith("train/"):
                value = value.rolling_median(window, min_samples=1)
            axis.plot(means["step"], value, label=labels.get(name, name))
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("Step")
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=7)
    return _save(figure, path)


def trade_offs(runs: Sequence[Run], folder: Path) -> list[Path]:
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
        drawn.append(trade_off(own, varied, folder / f"trade_off_{name}.png"))
    return drawn


def trade_off(runs: Sequence[Run], varied: Sequence[str], path: Path) -> Path:
    """Draw PSNR inside the hole against TC and against |TC − TC_gt|.

    Args:
        runs: of one sweep.
        varied: the settings that it varies; the last that is a number labels the points, the others
            tell the lines apart.
        path: the PNG.
    """
    numbers = [key for key in varied if isinstance(runs[0].record.settings.get(key), int | float)]
    along = numbers[-1] if numbers else varied[-1]
    apart = [key for key in varied if key != along]
    figure, axes = _axes(1, 2, (11, 4.5))
    panels = (("tc", "TC (lower is steadier)"), ("tc_diff", "|TC − TC of the true frames|"))
    for axis, (metric, title) in zip(axes.flat, panels, strict=True):
        for line in dict.fromkeys(_setting_text(run.record, apart) for run in runs):
            own = [run for run in runs if _setting_text(run.record, apart) == line]
            points = _points(own, along, metric)
            if not points:
                continue
            marks, x, y, x_reach, y_reach = zip(*points, strict=True)
            style = "-" if numbers else ""
            axis.errorbar(
                x, y, xerr=x_reach, yerr=y_reach, marker="o", linestyle=style, alpha=0.8, label=line
            )
            for mark, at_x, at_y in zip(marks, x, y, strict=True):
                axis.annotate(
                    str(mark), (at_x, at_y), xytext=(5, 4), textcoords="offset points", fontsize=8
                )
        if metric == "tc":
            true = np.mean([_subject_mean(run.rows, "tc_gt")[0] for run in runs])
            axis.axvline(true, color="grey", linestyle=":", label="TC of the true frames")
        axis.set_xlabel(title)
        axis.set_ylabel("PSNR inside the hole (dB)")
        axis.grid(alpha=0.3)
    if any(text for text in axes.flat[0].get_legend_handles_labels()[1]):
        axes.flat[0].legend(fontsize=8)
    figure.suptitle(f"Points: {_called(along)}", fontsize=10)
    return _save(figure, path)


def _points(runs: Sequence[Run], along: str, metric: str) -> list[tuple[Any, ...]]:
    """Return (setting, motion, fidelity and their reaches), seeds of a setting together."""
    points = []
    settings: set[Any] = {run.record.settings.get(along) for run in runs}
    for value in sorted(settings):
        own = [run for run in runs if run.record.settings.get(along) == value]
        rows = pl.concat([_of_model(run) for run in own], how="diagonal")
        if rows.is_empty():
            continue
        x, x_reach = _subject_mean(rows, metric)
        y, y_reach = _subject_mean(rows, "psnr_hole")
        points.append((value, x, y, x_reach, y_reach))
    return points


def _of_model(run: Run) -> pl.DataFrame:
    """Return the rows of the model the run is about: its own name, or that of an evaluation."""
    present = list(dict.fromkeys(run.rows["restorer"]))
    name = run.record.name if run.record.name in present else present[0]
    return run.rows.filter(restorer=name)


def _subject_mean(rows: pl.DataFrame, metric: str) -> tuple[float, float]:
    """Return the mean over subjects and the reach of its 95 % interval."""
    values = rows.group_by("subject_id").agg(pl.col(metric).mean())[metric].drop_nulls().to_numpy()
    if len(values) < 2:
        return float(values.mean()) if len(values) else float("nan"), 0.0
    return float(values.mean()), float(NORMAL_95 * values.std(ddof=1) / np.sqrt(len(values)))


def _binned(
    rows: pl.DataFrame, column: str, edges: Sequence[float]
) -> list[tuple[float, float, float]]:
    """Return centre, mean and reach of every bin that enough subjects are in."""
    found = []
    for low, high in pairwise(edges):
        last = high == edges[-1]
        inside = rows.filter(pl.col(column).is_between(low, high, "both" if last else "left"))
        if inside["subject_id"].n_unique() >= MIN_SUBJECTS:
            mean, reach = _subject_mean(inside, "psnr_hole")
            centre: Any = inside[column].mean()
            found.append((float(centre), mean, reach))
    return found


def _varied(records: Sequence[RunRecord]) -> list[str]:
    """Return the settings that differ between runs."""
    keys = dict.fromkeys(key for record in records for key in record.settings)
    return [key for key in keys if len({str(r.settings.get(key)) for r in records}) > 1]


def _setting_text(record: RunRecord, keys: Sequence[str]) -> str:
    return ", ".join(f"{_called(key)} {record.settings.get(key)}" for key in keys)


def _called(key: str) -> str:
    return SETTING_NAMES.get(key, key)


def _interval(steps: pl.Series) -> int:
    return int(steps[1] - steps[0]) if len(steps) > 1 else 1


def _axes(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    # Drawn without pyplot, which keeps every figure and asks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
