"""Run somebody else's program: with a time limit, and with its last words if it fails."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LAST_LINES = 15


class ExternalToolError(OSError):
    """An external program failed, took too long, or left something else than was expected."""


def run_program(
    words: Sequence[str],
    folder: Path,
    log_file: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program to its end, without a shell.

    Args:
        words: the command and its arguments.
        folder: where it runs.
        log_file: takes what it prints.
        timeout: seconds after which it is killed, with all that it started.
        environment: variables set beside those of this process.

    Raises:
        ExternalToolError: if it cannot be started, fails or is killed; with the last lines of what
            it printed.
    """
    with log_file.open("wb") as log:
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, so that its children can be killed with it.
                start_new_session=True,
            )
        except OSError as error:
            raise ExternalToolError(f"{words[0]} cannot be started ({error.strerror})") from error
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ExternalToolError(
                f"it was not done after {timeout:g} s and was killed{last_words(log_file)}"
            ) from error
        finally:
            _kill_group(process)
    if code != 0:
        raise ExternalToolError(f"it ended with exit code {code}{last_words(log_file)}")


def last_words(log_file: Path) -> str:
    """Return the last lines of a log, as the end of a message."""
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "; it printed nothing" if not lines else "; its last words:\n" + "\n".join(lines)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what is still running of a process and of those that it started."""
    # macOS says "permission denied" of a group that has ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
