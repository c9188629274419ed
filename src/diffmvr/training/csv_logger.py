"""``metrics.csv``: what a run has logged, and goes on logging in one file."""

import csv
from pathlib import Path
from typing import TextIO

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from diffmvr.files import write_at_once
from diffmvr.training.run_logger import RunLogger

STEP = "step"


class RunCsvLogger(CSVLogger, RunLogger):
    """Lightning's CSV logger, in the run's own folder and without loss when the run goes on.

    Args:
        save_dir: the run's folder; ``metrics.csv`` and ``hparams.yaml`` lie in it.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__(save_dir, name="", version="")

    def begin(self, resumed_at: int | None) -> None:
        """Keep the rows of earlier steps, if the run goes on; Lightning would delete the file."""
        if resumed_at is not None:
            self._experiment = _AddingWriter(self.log_dir, resumed_at)


class _AddingWriter(ExperimentWriter):
    """Adds to a file that is there.

    Args:
        log_dir: the file's folder.
        resumed_at: the first step that is logged again.
    """

    def __init__(self, log_dir: str, resumed_at: int) -> None:
        super().__init__(log_dir)
        path = Path(self.metrics_file_path)
        if not path.is_file():
            return
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows, self.metrics_keys = list(reader), list(reader.fieldnames or ())
        # The last row of a killed run may be half of one.
        whole = [row for row in rows if None not in row.values() and row.get(STEP, "").isdecimal()]
        self._write([row for row in whole if int(row[STEP]) < resumed_at])

    def _check_log_dir_exists(self) -> None:
        """Delete nothing."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        with Path(self.metrics_file_path).open(encoding="utf-8", newline="") as file:
            self._write(list(csv.DictReader(file)))

    def _write(self, rows: list[dict[str, str]]) -> None:
        def write(path: Path) -> None:
            with path.open("w", encoding="utf-8", newline="") as file:
                _write_rows(file, self.metrics_keys, rows)

        write_at_once(Path(self.metrics_file_path), write)


def _write_rows(file: TextIO, names: list[str], rows: list[dict[str, str]]) -> None:
    writer = csv.DictWriter(file, fieldnames=names)
    writer.writeheader()
    writer.writerows(rows)
