"""Rows of single frames, ``frames.parquet``: what the error depends on.

One row is one restored frame with a hole: how much of the face box was hidden, how long ago the
face was last seen whole, and the scores inside the hole.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from diffmvr.reporting.table_file import TableFile

FRAMES_FILE = "frames.parquet"
FRAME_COLUMNS: dict[str, Any] = {
    "restorer": pl.String,
    "clip_id": pl.String,
    "subject_id": pl.String,
    "mask_type": pl.String,
    "seed": pl.Int64,
    "frame": pl.Int64,
    "hidden_share": pl.Float32,
    # Null where no earlier frame shows the face unobstructed.
    "past_age": pl.Int64,
    "psnr_hole": pl.Float32,
    "ssim_hole": pl.Float32,
    # Of real faces: how far the expression is from the clean frame's, and how far that is from the
    # newest clear frame's.  Null where it was not scored or no face was found.
    "blendshape_error": pl.Float32,
    "blendshape_change": pl.Float32,
}
OPTIONAL = ("blendshape_error", "blendshape_change")
"""Columns that files written before there were these scores lack; they are read as null."""


def frames_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame.

    Raises:
        ValueError: as :func:`check_frames`.
    """
    return check_frames(pl.DataFrame(list(rows), schema=FRAME_COLUMNS))


def check_frames(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame``, with all columns, if it is a table of frame rows.

    Raises:
        ValueError: if it is empty, or a column is missing, unknown or of another type.
    """
    if frame.is_empty():
        raise ValueError("frames: expected at least one row, got none; no frame has a hole")
    absent = [name for name in OPTIONAL if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, FRAME_COLUMNS[name]).alias(name) for name in absent)
    if dict(frame.schema) != FRAME_COLUMNS:
        raise ValueError(f"frames: expected the columns {FRAME_COLUMNS}, got {dict(frame.schema)}")
    return frame


_FILE = TableFile(FRAMES_FILE, check_frames, "evaluate with frames=true")


def save_frames(frame: pl.DataFrame, folder: Path) -> Path:
    """Write ``frames.parquet`` into a run's folder; see :meth:`TableFile.save`."""
    return _FILE.save(frame, folder)


def load_frames(folder: Path) -> pl.DataFrame:
    """Read ``frames.parquet`` of a run's folder; see :meth:`TableFile.load`."""
    return _FILE.load(folder)
