"""Tables on disk, read and written by exactly the path that is given.

Polars takes a path for a pattern (``run[1]`` reads ``run1``) and what looks like a URL for one
(``file:a.parquet`` is written to ``a.parquet``).  Nobody else here reads or writes a table by path.
Text in CSV files stays text for spreadsheets, see ``text.as_cell``.
"""

from pathlib import Path

import polars as pl

from diffmvr.files import write_at_once
from diffmvr.text import as_cells, from_cells

TABLE_SUFFIXES = (".parquet", ".csv")


def read_table(path: Path, *, as_text: bool = False) -> pl.DataFrame:
    """Read a ``.parquet`` or ``.csv`` file.

    Args:
        path: the file.
        as_text: leave every value of a CSV file as text.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: on another ending.
        polars.exceptions.PolarsError: if it is no such table.
    """
    suffix = _checked_suffix(path)
    with path.open("rb") as file:
        if suffix == ".parquet":
            return pl.read_parquet(file)
        # The type of a column is told by all of its rows.
        frame = pl.read_csv(file, infer_schema=not as_text, infer_schema_length=None)
        return from_cells(frame)


def write_table(frame: pl.DataFrame, path: Path, compression_level: int | None = None) -> None:
    """Write a ``.parquet`` or ``.csv`` file, whole or not at all.

    Args:
        frame: the rows.
        path: the file; its folder exists.
        compression_level: of Parquet's Zstandard, 1 to 22; ``None``: Polars' choice.

    Raises:
        ValueError: on another ending.
    """
    suffix = _checked_suffix(path)

    def write(place: Path) -> None:
        with place.open("wb") as file:
            if suffix == ".csv":
                as_cells(frame).write_csv(file)
            else:
                frame.write_parquet(file, compression_level=compression_level)

    write_at_once(path, write)


def _checked_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise ValueError(f"path: expected a {' or '.join(TABLE_SUFFIXES)} file, got {path.name!r}")
    return suffix
