"""Figures drawn from the rows of runs: what the error depends on, trade-offs, training curves.

Bands and bars are 95 % intervals of the mean over subjects (normal approximation); they describe
each restorer alone.  Which of two is better is the business of paired differences: the tables', and
the hollow points of a trade-off.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from diffmvr.reporting.canvas import new_axes, save_figure, subject_mean
from diffmvr.reporting.run_collection import Run
from diffmvr.reporting.sweeps import Sweep
from diffmvr.reporting.trade_offs import trade_offs

SHARE_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
AGE_EDGES = (1, 2, 3, 5, 7, 9, 12, 16)
CURVES = (
    ("train/loss_denoising", "Denoising loss"),
    ("train/loss_motion", "Motion loss"),
    ("val/loss_denoising", "Denoising loss, validation"),
    ("val/loss_motion", "Motion loss, validation"),
)
MIN_SUBJECTS = 5
SMOOTHED_STEPS = 30


def draw_figures(
    runs: Sequence[Run],
    sweeps: Sequence[Sweep],
    labels: Mapping[str, str],
    folder: Path,
) -> list[Path]:
    """Draw every figure whose rows are there.

    Args:
        runs: of the study.
        sweeps: of λ, fusion, pathway and sampling steps.
        labels: names to show, by restorer.
        folder: where the PNG files go.

    Returns:
        The files.
    """
    drawn = []
    frames = [run.frames for run in runs if run.frames is not None]
    if frames:
        identity = ["restorer", "clip_id", "mask_type", "seed", "frame"]
        whole = pl.concat(frames).unique(identity, keep="first", maintain_order=True)
        drawn.append(error_by_occlusion(whole, labels, folder / "error_by_occlusion.png"))
    trained = [run for run in runs if run.curves is not None and run.record.kind == "train"]
    if trained:
        drawn.append(training_curves(trained, labels, folder / "training_curves.png"))
    if sweeps:
        drawn += trade_offs(sweeps, folder)
    return drawn


def error_by_occlusion(frames: pl.DataFrame, labels: Mapping[str, str], path: Path) -> Path:
    """Draw PSNR inside the hole by hidden share of the face, and by age of the past frame.

    A bin is drawn if enough people are in it.  Frames without a past frame have no age.

    Args:
        frames: per-frame rows.
        labels: names to show, by restorer; those without one keep theirs.
        path: the PNG.
    """
    mask = "segmentation" if "segmentation" in set(frames["mask_type"]) else frames["mask_type"][0]
    own = frames.filter(mask_type=mask)
    figure, axes = new_axes(1, 2, (11, 4.2))
    panels = (
        ("hidden_share", SHARE_EDGES, "Hidden share of the face box"),
        ("past_age", AGE_EDGES, "Age of the past frame (frames)"),
    )
    for axis, (column, edges, title) in zip(axes.flat, panels, strict=True):
        for index, restorer in enumerate(dict.fromkeys(own["restorer"])):
            binned = _binned(own.filter(restorer=restorer), column, edges)
            if binned:
                x, y, reach = (np.array(values) for values in zip(*binned, strict=True))
                # Matplotlib has ten colours.
                style, name = "-" if index < 10 else "--", labels.get(restorer, restorer)
                axis.plot(x, y, marker="o", markersize=3, linestyle=style, label=name)
                axis.fill_between(x, y - reach, y + reach, alpha=0.12)
        axis.set_xlabel(title)
        axis.set_ylabel("PSNR inside the hole (dB)")
        axis.grid(alpha=0.3)
    axes.flat[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    people = own["subject_id"].n_unique()
    figure.suptitle(f"Mask: {mask}; {people} people; bands: 95 % of each mean", fontsize=10)
    return save_figure(figure, path)


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
    figure, axes = new_axes(1, len(shown), (1.5 + 4.0 * len(shown), 4.0))
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
    return save_figure(figure, path)


def _binned(
    rows: pl.DataFrame, column: str, edges: Sequence[float]
) -> list[tuple[float, float, float]]:
    """Return centre, mean and reach of every bin that enough subjects are in."""
    found = []
    for low, high in pairwise(edges):
        last = high == edges[-1]
        inside = rows.filter(pl.col(column).is_between(low, high, "both" if last else "left"))
        if inside["subject_id"].n_unique() >= MIN_SUBJECTS:
            mean, reach = subject_mean(inside, "psnr_hole")
            centre: Any = inside[column].mean()
            found.append((float(centre), mean, reach))
    return found


def _interval(steps: pl.Series) -> int:
    return int(steps[1] - steps[0]) if len(steps) > 1 else 1
