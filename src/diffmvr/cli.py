"""What every entry point shows: one clear line for a user's mistake, and bars of progress."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from hydra.errors import InstantiationException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn

log = logging.getLogger(__name__)

USAGE_ERROR = 2


def run_cli(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn ``ValueError`` and ``OSError`` of an entry point into a message and exit code 2."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (ValueError, OSError, InstantiationException) as error:
            # Hydra wraps what a constructor raised; the user wants the constructor's words.
            cause = error.__cause__ if isinstance(error, InstantiationException) else error
            if not isinstance(cause, ValueError | OSError):
                raise
            log.debug("details", exc_info=True)
            sys.stderr.write(f"error: {cause}\n")
            sys.exit(USAGE_ERROR)

    return wrapped


def progress_bars(time: ProgressColumn) -> Progress:
    """Make bars for a terminal's stderr; elsewhere they keep quiet.

    Args:
        time: the last column, e.g. ``TimeRemainingColumn()``.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), time)
    return Progress(*columns, console=console, disable=not console.is_terminal)
