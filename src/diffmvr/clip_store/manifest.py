"""The manifest of a clip store: one row for each frame of a recording that was considered.

A frame that was kept has a picture and a mask, numbered from 0 in its clip.  A frame that was
skipped has a reason, and neither.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from diffmvr.checks import check_name
from diffmvr.structures import FaceTrack
from diffmvr.table_io import read_table

_AFFINE = pl.Array(pl.Float64, 6)

MANIFEST_SCHEMA: dict[str, Any] = {
    # Which frame.
    "clip": pl.String(),  # null where a skipped frame belongs to none
    "subject": pl.String(),
    "state": pl.String(),  # null where nobody said
    "recording": pl.String(),
    "frame": pl.Int64(),  # number of its picture in the clip; null where skipped
    "source_frame": pl.Int64(),  # number in the recording; null where it could not be counted
    "source_time": pl.Float64(),  # seconds
    "source_width": pl.Int64(),  # upright size of the recording in pixels
    "source_height": pl.Int64(),
    "skip_reason": pl.String(),
    # Where the face is, in crop pixels (see FaceTrack).
    "face_x0": pl.Float64(),
    "face_y0": pl.Float64(),
    "face_x1": pl.Float64(),
    "face_y1": pl.Float64(),
    "midline_x": pl.Float64(),
    "midline_y": pl.Float64(),
    "midline_cos": pl.Float64(),
    "midline_sin": pl.Float64(),
    "similarity": _AFFINE,  # row-major 2 × 3, canonical face → crop pixels
    "crop": _AFFINE,  # row-major 2 × 3, pixels of the recording → crop pixels
    # What hides it, and how all of this was found.
    "occluded_share": pl.Float64(),  # of the face box
    "mask_source": pl.String(),
    "axis_source": pl.String(),
    "box_source": pl.String(),
    "past_index": pl.Int64(),  # frame of the clip that is the past guide; -1 for none
    "past_age": pl.Int64(),  # frame - past_index; null for none
}
"""Columns and their types, in the order of the file."""

FACE_COLUMNS = ("face_x0", "face_y0", "face_x1", "face_y1")
MIDLINE_COLUMNS = ("midline_x", "midline_y", "midline_cos", "midline_sin")
AFFINE_COLUMNS = ("similarity", "crop")
WRITER_COLUMNS = ("clip", "recording", "frame")
"""Columns that the writer fills; a row given to it holds the others."""

_OPTIONAL = ("state", "skip_reason", "past_age")
KEPT_COLUMNS = tuple(name for name in MANIFEST_SCHEMA if name not in (*WRITER_COLUMNS, *_OPTIONAL))
"""Columns that no kept frame may leave empty."""

SKIPPED_COLUMNS = ("subject", "skip_reason")
"""Columns that no skipped frame may leave empty."""


def manifest_row(values: Mapping[str, Any], kept: bool) -> dict[str, Any]:
    """Check the values of one frame and return them with every column present.

    Args:
        values: by column, without those that the writer fills; affine maps as ``[2, 3]`` arrays
            or six numbers.
        kept: whether the frame has a picture.

    Raises:
        ValueError: if a column is unknown or one that must be filled is empty.
    """
    unknown = sorted(set(values) - (set(MANIFEST_SCHEMA) - set(WRITER_COLUMNS)))
    if unknown:
        raise ValueError(f"row: expected columns of MANIFEST_SCHEMA, got {unknown}")
    row = {name: values.get(name) for name in MANIFEST_SCHEMA}
    empty = [name for name in (KEPT_COLUMNS if kept else SKIPPED_COLUMNS) if row[name] is None]
    if empty:
        kind = "a kept" if kept else "a skipped"
        raise ValueError(f"row: {kind} frame must fill {empty}, got nothing there")
    if kept and row["skip_reason"] is not None:
        raise ValueError(
            f"row: a frame with a picture has no skip_reason, got {row['skip_reason']!r}"
        )
    for name in AFFINE_COLUMNS:
        if row[name] is not None:
            row[name] = _six_numbers(name, row[name])
    return row


def track_of(rows: pl.DataFrame) -> FaceTrack:
    """Return the face track of kept rows, in crop pixels."""
    return FaceTrack(
        face_box=rows.select(FACE_COLUMNS).to_numpy(),
        midline=rows.select(MIDLINE_COLUMNS).to_numpy(),
        similarity=rows["similarity"].to_numpy().reshape(-1, 2, 3),
        axis_source=tuple(rows["axis_source"]),
        crop=rows["crop"].to_numpy().reshape(-1, 2, 3),
    )


def track_columns(track: FaceTrack) -> list[dict[str, Any]]:
    """Return the columns that :func:`track_of` reads, one mapping for each frame."""
    return [
        {
            **dict(zip(FACE_COLUMNS, map(float, track.face_box[t]), strict=True)),
            **dict(zip(MIDLINE_COLUMNS, map(float, track.midline[t]), strict=True)),
            "similarity": track.similarity[t],
            "axis_source": track.axis_source[t],
        }
        for t in range(len(track))
    ]


def manifest_frame(rows: Sequence[Mapping[str, Any]] = ()) -> pl.DataFrame:
    """Return rows as a table of the manifest's columns."""
    return pl.DataFrame(list(rows), schema=MANIFEST_SCHEMA, orient="row")


def read_manifest(path: Path, recording: str | None = None) -> pl.DataFrame:
    """Read a manifest or a recording's part of one; the only place where either is read.

    Its names become paths, so they are checked here: a store may come from anybody.

    Args:
        path: the Parquet file.
        recording: the only one that it may tell of, ``None`` for any.

    Raises:
        ValueError: if it cannot be read, has other columns, or a clip or a recording in it has no
            plain name.
    """
    try:
        rows = read_table(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); make the store anew") from error
    if dict(rows.schema) != dict(pl.Schema(MANIFEST_SCHEMA)):
        wrong = [n for n, kind in MANIFEST_SCHEMA.items() if rows.schema.get(n) != kind]
        raise ValueError(f"{path} has other columns than a manifest: {wrong}; make the store anew")
    kept = rows.filter(pl.col("frame").is_not_null())
    if rows["recording"].null_count() or kept["clip"].null_count():
        raise ValueError(f"{path} has a row without a name; make the store anew")
    for column in ("clip", "recording"):
        for name in rows[column].drop_nulls().unique().sort():
            check_name(f"{path}, {column}", name)
    others = sorted(set(rows["recording"]) - {recording}) if recording is not None else []
    if others:
        raise ValueError(f"{path} tells of {others[0]!r}, not of {recording!r}; remove that file")
    return rows


def _six_numbers(name: str, value: Any) -> list[float]:
    numbers = np.asarray(value, dtype=np.float64).ravel()
    if numbers.shape != (6,):
        raise ValueError(f"{name}: expected the 6 numbers of a 2×3 matrix, got {numbers.size}")
    return [float(number) for number in numbers]
