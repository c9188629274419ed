"""Rows of distances between sets: one for each restorer, distance and set of conditions.

They lie in ``distances.parquet`` beside the per-clip rows.  ``replicates`` holds the distance on
resamples of the subjects: those of two restorers on the same subjects are paired, so that their
difference has an interval.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from diffmvr.reporting.table_file import TableFile

DISTANCES_FILE = "distances.parquet"
DISTANCE_COLUMNS: dict[str, Any] = {
    "restorer": pl.String,
    "distance": pl.String,
    "pooling": pl.String,
    "seed": pl.Int64,
    "mask_type": pl.String,
    "resolution": pl.Int64,
    "clip_length": pl.Int64,
    "extractor": pl.String,
    "weight_hash": pl.String,
    "n_samples": pl.Int64,
    "n_subjects": pl.Int64,
    "value": pl.Float64,
    "replicates": pl.List(pl.Float64),
}
DISTANCE_IDENTITY = (
    *("restorer", "distance", "pooling", "seed", "mask_type", "resolution", "clip_length"),
)
POOLED = "pooled"
HEADERS = {"fid": "FID", "fvd": "FVD", "vfid": "VFID"}


def distances_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a checked frame.

    Raises:
        ValueError: as :func:`check_distances`.
    """
    return check_distances(pl.DataFrame(list(rows), schema=DISTANCE_COLUMNS))


def check_distances(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` if it is a table of distances that may stand side by side.

    Raises:
        ValueError: if it is empty, a column is missing, unknown or of another type, a key is null,
            a distance was taken twice under the same conditions, or one name stands for two
            networks.
    """
    if frame.is_empty():
        raise ValueError("distances: expected at least one row, got none; score clips first")
    if dict(frame.schema) != DISTANCE_COLUMNS:
        raise ValueError(
            f"distances: expected the columns {DISTANCE_COLUMNS}, got {dict(frame.schema)}"
        )
    keys = [name for name in DISTANCE_COLUMNS if name != "value"]
    nulls = [name for name in keys if frame[name].null_count()]
    if nulls:
        raise ValueError(f"distances: expected a value in every key column, got null in {nulls}")
    repeated = frame.filter(pl.struct(DISTANCE_IDENTITY).is_duplicated())
    if not repeated.is_empty():
        first = repeated.select(DISTANCE_IDENTITY).row(0)
        raise ValueError(f"distances: {first} appears more than once; a run measures it once")
    return check_one_extractor(frame)


def check_one_extractor(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` if every distance comes from one network with one set of weights.

    Raises:
        ValueError: with the distance and its networks, if it does not.
    """
    networks = frame.select("distance", "extractor", "weight_hash").unique().sort(pl.all())
    for (distance,), group in networks.group_by("distance", maintain_order=True):
        if group.height > 1:
            found = [f"{name} ({digest[:12]})" for _, name, digest in group.iter_rows()]
            raise ValueError(
                f"distances: {distance} was measured with {found}; numbers of two networks cannot "
                "be compared, so score again with one"
            )
    return frame


_FILE = TableFile(DISTANCES_FILE, check_distances, "score with distances first")


def save_distances(frame: pl.DataFrame, folder: Path) -> Path:
    """Write ``distances.parquet`` into a run's folder; see :meth:`TableFile.save`."""
    return _FILE.save(frame, folder)


def load_distances(folder: Path) -> pl.DataFrame:
    """Read the distances of a run's folder; see :meth:`TableFile.load`."""
    return _FILE.load(folder)


def distance_header(distance: str) -> str:
    """Return how a table calls a distance: FID, FVD, VFID, else by its extractor's name."""
    if distance in HEADERS:
        return HEADERS[distance]
    kind, _, extractor = distance.partition("_")
    return f"Fréchet {'video ' if kind == 'fvd' else ''}distance ({extractor})"
