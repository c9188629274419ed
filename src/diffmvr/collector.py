"""Python's garbage collector while libraries are imported.

They make a million objects that stay until the process ends.  The collector goes through all of
them again and again as they come, which takes an eighth of the time that a command needs to start.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def pause_collector() -> None:
    """Collect no garbage until ``resume_collector``; for a process that is one command."""
    gc.disable()


def resume_collector() -> None:
    """Collect garbage again, but never look at what is there already; see ``pause_collector``.

    Where the collector was not paused, nothing happens.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Import libraries in a block; in a process that is one command they are never looked at."""
    is_command, was_on = gc.get_freeze_count() > 0, gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_command:
            gc.freeze()
        if was_on:
            gc.enable()
