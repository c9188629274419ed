"""A command that runs for the page: how far it has come, what it said last, its end.

A process of its own, so that it can be ended as in a terminal, a crash takes nothing with it, and
its memory is free again afterwards.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffmvr.text import printable

KEPT_LINES = 200
# It packs what it has done, so that the next one goes on from there.
PATIENCE = 20.0
_PROGRESS = re.compile(r"^(finding faces|restoring): (\d+)(?: of (\d+))? frames")
_ERROR = "error: "


@dataclass(frozen=True)
class Progress:
    """How far a command has come.

    Attributes:
        stage: what it does, in words.
        done: frames that are done in this stage.
        total: frames that there are; ``None`` if nobody knows.
        seconds: since the start.
    """

    stage: str
    done: int
    total: int | None
    seconds: float

    @property
    def share(self) -> float | None:
        """Share of the stage that is done, 0 to 1; ``None`` if nobody knows."""
        return min(1.0, self.done / self.total) if self.total else None


class Job:
    """A running command.

    Args:
        module: of ``diffmvr``, e.g. ``"restore"``.
        arguments: of the command.
        folder: that it runs in; its paths are relative to it, and it is left out of what is told.
    """

    def __init__(self, module: str, arguments: Sequence[str], folder: Path) -> None:
        self._folder = folder.resolve()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._progress: tuple[str, int, int | None] = ("starting", 0, None)
        self._begun = time.monotonic()
        self._cancelled = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"diffmvr.{module}", *arguments],
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C in the terminal of the page is the page's to pass on.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to end."""
        return self._cancelled

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self._process.poll() == 0

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(*self._progress, time.monotonic() - self._begun)

    @property
    def notes(self) -> list[str]:
        """What it said that the user should know."""
        return [line.removeprefix("note: ") for line in self._lines if line.startswith("note: ")]

    @property
    def error(self) -> str:
        """Why it failed, in one line."""
        return told_error(list(self._lines), self._process.poll())

    def wait(self, seconds: float) -> bool:
        """Wait for the end; return whether it has come."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._reader.join(PATIENCE)
        return True

    def cancel(self) -> None:
        """End it as Ctrl-C does, and wait until it has cleaned up."""
        if not self.running:
            return
        self._cancelled = True
        # SIGTERM, since a SIGINT that this process ignores its children ignore, too.
        self._process.terminate()
        if not self.wait(PATIENCE):
            self._process.kill()
            self.wait(PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for raw in said:
                line = printable(raw.strip()).replace(f"{self._folder}{os.sep}", "")
                if not line:
                    continue
                self._lines.append(line)
                if found := _PROGRESS.match(line):
                    stage, done, total = found.groups()
                    _, before, whole = self._progress
                    if int(done) == 0 and 0 < before < (whole or before + 1):
                        # Both stages have a bar; one that has not begun says nothing new.
                        continue
                    self._progress = (stage, int(done), int(total) if total else None)


def told_error(lines: Sequence[str], code: int | None) -> str:
    """Return in one line why a command failed.

    Args:
        lines: what it said last.
        code: that it ended with.
    """
    told = [line for line in lines if line.startswith(_ERROR)]
    if told:
        return told[-1].removeprefix(_ERROR)
    last = lines[-1] if lines else "it said nothing"
    return f"the command ended with code {code}: {last}"


def child_environment() -> dict[str, str]:
    """Return this process's environment for a command that runs in another folder."""
    return {**os.environ, "PYTHONPATH": _absolute(os.environ.get("PYTHONPATH", ""))}


def _absolute(paths: str) -> str:
    """Return a list of folders that is right in any working directory."""
    return os.pathsep.join(str(Path(one).resolve()) for one in paths.split(os.pathsep) if one)
