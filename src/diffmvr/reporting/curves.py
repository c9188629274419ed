"""What a run logged while it trained, as rows of step, metric and value."""

from pathlib import Path

import polars as pl

from diffmvr.table_io import read_table

CURVE_COLUMNS = {"step": pl.Int64, "metric": pl.String, "value": pl.Float64}
LOG_FILE = "metrics.csv"


def load_curves(folder: Path) -> pl.DataFrame | None:
    """Read ``metrics.csv``, and what was put aside when a stopped run went on.

    Args:
        folder: of the run.

    Returns:
        ``step``, ``metric``, ``value``; of a step logged twice the later value.  ``None`` if the
        run logged nothing.

    Raises:
        ValueError: if the file has no column ``step``.
    """
    parts = [*sorted(folder.glob("metrics-*.csv")), folder / LOG_FILE]
    frames = [_long(path) for path in parts if path.is_file()]
    if not frames:
        return None
    whole = pl.concat(frames)
    return whole.unique(["metric", "step"], keep="last").sort("metric", "step")


def _long(path: Path) -> pl.DataFrame:
    logged = read_table(path)
    if "step" not in logged.columns:
        raise ValueError(f"{path}: expected a column 'step', got {logged.columns}")
    metrics = [name for name in logged.columns if name not in ("step", "epoch")]
    return (
        logged.unpivot(metrics, index="step", variable_name="metric")
        .select(pl.col(name).cast(kind) for name, kind in CURVE_COLUMNS.items())
        .drop_nulls()
    )
