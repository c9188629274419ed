"""A table of rows in a run's folder, checked on its way in and out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from diffmvr.table_io import read_table, write_table


@dataclass(frozen=True)
class TableFile:
    """A Parquet file of rows.

    Attributes:
        name: of the file in a run's folder.
        check: returns a frame if it is such a table, and raises ``ValueError`` if not.
        remedy: how the file comes to be, for the message where there is none.
    """

    name: str
    check: Callable[[pl.DataFrame], pl.DataFrame]
    remedy: str

    def save(self, frame: pl.DataFrame, folder: Path) -> Path:
        """Write the file into a run's folder, whole or not at all.

        Raises:
            ValueError: as ``check``; nothing is written then.
        """
        frame = self.check(frame)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / self.name
        write_table(frame, target)
        return target

    def load(self, folder: Path) -> pl.DataFrame:
        """Read the file of a run's folder.

        Raises:
            FileNotFoundError: if it holds none.
            ValueError: as ``check``.
        """
        path = folder / self.name
        if not path.is_file():
            raise FileNotFoundError(f"no {self.name} in {folder}; {self.remedy}")
        return self.check(read_table(path))
