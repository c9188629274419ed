"""Per-clip score rows: what every table is made from, kept so that it can be made again.

One row is one restored clip: who restored it, which clip, under which conditions, and its scores.
Rows are a polars frame with the columns of ``KEY_COLUMNS`` first and one float column per score
after them; null means "nothing to score".
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from diffmvr.structures import Clip
from diffmvr.table_io import read_table, write_table

KEY_COLUMNS: dict[str, type[pl.DataType]] = {
    "restorer": pl.String,
    "clip_id": pl.String,
    "subject_id": pl.String,
    "seed": pl.Int64,
    "mask_type": pl.String,
    "resolution": pl.Int64,
    "clip_length": pl.Int64,
}
IDENTITY = ("restorer", "clip_id", "seed", "mask_type", "resolution", "clip_length")


def score_row(
    restorer: str, clip: Clip, seed: int, mask_type: str, scores: Mapping[str, float]
) -> dict[str, str | int | float]:
    """Return one row.

    Args:
        restorer: the restorer's name.
        clip: the restored clip; it gives the ids, the resolution (short side, pixels) and length.
        seed: of the restorer's own randomness; 0 for those that have none.
        mask_type: e.g. ``"segmentation"`` or ``"bbox"``.
        scores: by name.
    """
    length, height, width, _ = clip.observed.shape
    return {
        "restorer": restorer,
        "clip_id": clip.clip_id,
        "subject_id": clip.subject_id,
        "seed": seed,
        "mask_type": mask_type,
        "resolution": min(height, width),
        "clip_length": length,
        **scores,
    }


def rows_frame(rows: Iterable[Mapping[str, str | int | float]]) -> pl.DataFrame:
    """Return rows as a checked frame; NaN becomes null.

    Raises:
        ValueError: as :func:`check_rows`.
    """
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return check_rows(_typed(frame))


def check_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` if it is a table of score rows.

    Raises:
        ValueError: if it is empty, a column is missing or of another type, a key is null, or one
            clip was scored twice under the same conditions.
    """
    if frame.is_empty():
        raise ValueError("rows: expected at least one row, got none; score a clip first")
    missing = [name for name in KEY_COLUMNS if name not in frame.columns]
    if missing:
        raise ValueError(f"rows: expected the columns {list(KEY_COLUMNS)}, missing {missing}")
    expected = {name: KEY_COLUMNS.get(name, pl.Float64) for name in frame.columns}
    wrong = [f"{name} is {got}" for name, got in frame.schema.items() if got != expected[name]]
    if wrong:
        raise ValueError(f"rows: {wrong}; keys have fixed types and every score is Float64")
    nulls = [name for name in KEY_COLUMNS if frame[name].null_count()]
    if nulls:
        raise ValueError(f"rows: expected a value in every key column, got null in {nulls}")
    repeated = frame.filter(pl.struct(IDENTITY).is_duplicated())
    if not repeated.is_empty():
        first = repeated.select(IDENTITY).row(0)
        raise ValueError(
            f"rows: {first} appears {_times(frame, first)} times; a clip is scored once per "
            "restorer, seed and condition"
        )
    return frame


def mean_scores(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of every score over a restorer's clips, a row a restorer.

    Args:
        frame: checked rows.

    Returns:
        ``restorer``, ``clips`` (how many) and the scores; null where a restorer has none.
    """
    scores = [name for name in frame.columns if name not in KEY_COLUMNS]
    means = [pl.col(name).mean() for name in scores]
    return frame.group_by("restorer", maintain_order=True).agg(pl.len().alias("clips"), *means)


def save_rows(frame: pl.DataFrame, path: Path) -> tuple[Path, Path]:
    """Write rows as Parquet and CSV, each whole or not at all.

    Args:
        frame: the rows.
        path: file without its ending; ``.parquet`` and ``.csv`` are put on.

    Returns:
        The two files.

    Raises:
        ValueError: as :func:`check_rows`; nothing is written then.
    """
    frame = check_rows(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet, csv = Path(f"{path}.parquet"), Path(f"{path}.csv")
    write_table(frame, parquet)
    write_table(frame, csv)
    return parquet, csv


def load_rows(path: Path) -> pl.DataFrame:
    """Read rows from a ``.parquet`` or ``.csv`` file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: on another ending, or as :func:`check_rows`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no score rows at {path}; run the evaluation first")
    # As text: a clip that is called 001 is not the number 1.
    frame = read_table(path, as_text=True)
    return check_rows(_typed(frame) if path.suffix.lower() == ".csv" else frame)


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Cast keys to their types and scores to float, NaN to null."""
    casts = [
        pl.col(name).cast(KEY_COLUMNS[name])
        if name in KEY_COLUMNS
        else pl.col(name).cast(pl.Float64).fill_nan(None)
        for name in frame.columns
    ]
    return frame.select(casts)


def _times(frame: pl.DataFrame, key: tuple[object, ...]) -> int:
    same = [pl.col(name) == value for name, value in zip(IDENTITY, key, strict=True)]
    return frame.filter(same).height
