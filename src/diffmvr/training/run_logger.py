"""What a run tells each of its loggers, beside the numbers that Lightning logs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from diffmvr.structures import UInt8Array


class RunLogger:
    """What a logger of this project is told; each takes what it can show.

    A base beside Lightning's own logger.  Of several processes the first one alone calls this.
    """

    def begin(self, resumed_at: int | None) -> None:
        """Start a run, before anything is logged.

        Args:
            resumed_at: optimizer steps that the run has done already, if it goes on in its folder;
                what was logged of later steps will be logged again.
        """

    def show_picture(self, name: str, path: Path, step: int) -> None:
        """Show a picture.

        Args:
            name: as of a metric, e.g. ``"val/grid"``.
            path: of the file.
            step: optimizer steps done.
        """

    def show_clip(self, name: str, path: Path, frames: UInt8Array, fps: float, step: int) -> None:
        """Show a clip.

        Args:
            name: as of a metric, e.g. ``"val/clip"``.
            path: of the video.
            frames: the same, ``[T, H, W, 3]`` uint8.
            fps: frames a second.
            step: optimizer steps done.
        """

    def show_table(self, name: str, table: pl.DataFrame, step: int) -> None:
        """Show a table.

        Args:
            name: as of a metric, e.g. ``"test/scores"``.
            table: its rows.
            step: optimizer steps done.
        """

    def keep_files(self, files: Sequence[Path]) -> None:
        """Keep files with what is logged; those that do not exist are passed over."""


def own_loggers(loggers: Iterable[Any]) -> list[RunLogger]:
    """Return the loggers that are told; a user's may be Lightning's alone."""
    return [logger for logger in loggers if isinstance(logger, RunLogger)]


def begin_logging(
    loggers: Sequence[Any], settings: Mapping[str, Any], resumed_at: int | None
) -> None:
    """Start a run in its loggers.

    Args:
        loggers: the run's.
        settings: of the run, nested.
        resumed_at: optimizer steps that it has done already, if it goes on.
    """
    for logger in own_loggers(loggers):
        logger.begin(resumed_at)
    for logger in loggers:
        logger.log_hyperparams(settings)
