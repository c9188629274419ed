"""What one recording of many failed by, and what ends them all."""

import logging
import os
from collections.abc import Iterator

from diffmvr.files import DISK_FULL
from diffmvr.text import first_line

log = logging.getLogger(__name__)

SILENT = "no reason given"

ALLOCATOR = "DefaultCPUAllocator"
"""What torch names where it finds no memory: its error is a plain RuntimeError."""


def why_it_failed(error: BaseException) -> str:
    """Return in one line why one recording failed, or end the work on all of them.

    Args:
        error: whatever its restoring or preprocessing raised.

    Raises:
        KeyboardInterrupt: if it was one; likewise ``SystemExit``.
        OSError: if the disk is full: no other recording would fit either.
        MemoryError: if this process ran out of memory.
    """
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        raise error
    again = "what is finished stays, and the same command goes on from there"
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            text = f"{os.strerror(cause.errno)}; make room ({again})"
            raise OSError(cause.errno, text, cause.filename) from error
        if _is_out_of_memory(cause):
            said = first_line(cause, SILENT)
            text = f"{said}; end other programs or use a larger machine ({again})"
            raise MemoryError(text) from error
    log.debug("details", exc_info=error)
    is_told = isinstance(error, ValueError | OSError) or type(error).__module__.startswith(
        "diffmvr."
    )
    return str(error) if is_told else f"{type(error).__name__}: {first_line(error, SILENT)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def _is_out_of_memory(error: BaseException) -> bool:
    kind = type(error)
    # FFmpeg says so of sizes that a damaged file claims, which no memory would be enough for.
    if kind.__module__.partition(".")[0] == "av":
        return False
    is_torchs = kind.__name__ == "OutOfMemoryError" or ALLOCATOR in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_torchs)
