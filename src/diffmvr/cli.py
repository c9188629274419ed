"""What every entry point does with a user's mistake: one clear line, no traceback."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from hydra.errors import InstantiationException

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
