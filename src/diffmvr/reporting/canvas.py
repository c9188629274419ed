"""What every figure needs: axes to draw on, a file to draw into, a mean with its reach."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

NORMAL_95 = 1.96


def subject_mean(rows: pl.DataFrame, metric: str) -> tuple[float, float]:
    """Return the mean over subjects and the reach of its 95 % interval."""
    values = rows.group_by("subject_id").agg(pl.col(metric).mean())[metric].drop_nulls().to_numpy()
    if len(values) < 2:
        return float(values.mean()) if len(values) else float("nan"), 0.0
    return float(values.mean()), float(NORMAL_95 * values.std(ddof=1) / np.sqrt(len(values)))


def new_axes(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """Return a figure of so many axes, ``size`` in inches, and the axes ``[rows, columns]``."""
    # Drawn without pyplot, which keeps every figure and asks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, making the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
