"""A camera's frames on their way through ``diffmvr.page.camera`` and back, as the page sees it."""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffmvr.page.handed import read_frame, write_frame
from diffmvr.page.jobs import child_environment, told_error
from diffmvr.structures import UInt8Array

COMMAND = (sys.executable, "-P", "-m", "diffmvr.page.camera", "input=-", "output=-")

IDLE = 10.0
"""Seconds without a frame after which the command is ended and its memory freed."""

RECENT = 100
"""Latencies and times of so many frames are kept."""

_KEPT_LINES = 50
_PATIENCE = 5.0


@dataclass(frozen=True)
class CameraState:
    """How a live run does.

    Attributes:
        shown: frames that came back restored.
        dropped: frames that did not, since later ones had come; those that came before the first
            was shown, while the model was loaded, do not count.
        latency: seconds from a frame's coming to the page until it was back, the median of the
            last ones; ``None`` before the first.
        rate: frames that came back per second, over the last ones; ``None`` before the second.
        seconds: since the start.
        error: why it ended, in one line; ``None`` if it did not fail.
    """

    shown: int
    dropped: int
    latency: float | None
    rate: float | None
    seconds: float
    error: str | None


class CameraRun:
    """One visitor's camera, restored by a process of its own; nothing is written.

    Args:
        arguments: of ``diffmvr.live``, without input and output.
        folder: that the command runs in.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._folder = folder.resolve()
        self._begun = self._handed = time.monotonic()
        self._waiting: tuple[int, UInt8Array] | None = None
        self._came: dict[int, float] = {}
        self._number = self._shown = self._dropped = 0
        self._latencies: deque[float] = deque(maxlen=RECENT)
        self._back: deque[float] = deque(maxlen=RECENT)
        self._latest: UInt8Array | None = None
        self._changed, self._closed = threading.Condition(), False
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for work in (self._write, self._read, self._listen):
            threading.Thread(target=work, daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether frames can be handed in."""
        return self._process.poll() is None and not self._closed

    @property
    def idle(self) -> bool:
        """Whether no frame has come for a while."""
        return time.monotonic() - self._handed > IDLE

    @property
    def latest(self) -> UInt8Array | None:
        """``[H, W, 3]``, the frame that came back last; ``None`` before the first."""
        return self._latest

    @property
    def state(self) -> CameraState:
        """How it does."""
        with self._changed:
            latencies, back = list(self._latencies), list(self._back)
            span = back[-1] - back[0] if len(back) > 1 else 0.0
            failed = self._process.poll() not in (None, 0) and not self._closed
            return CameraState(
                shown=self._shown,
                dropped=self._dropped,
                latency=float(np.median(latencies)) if latencies else None,
                rate=(len(back) - 1) / span if span else None,
                seconds=time.monotonic() - self._begun,
                error=told_error(list(self._lines), self._process.poll()) if failed else None,
            )

    def hand(self, image: UInt8Array) -> None:
        """Hand a frame ``[H, W, 3]`` in; one that still waits is dropped for it."""
        with self._changed:
            if self._waiting is not None:
                self._drop(self._waiting[0])
            self._handed = time.monotonic()
            self._came[self._number] = self._handed
            self._waiting = self._number, image
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the command."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_PATIENCE)

    def _write(self) -> None:
        assert self._process.stdin is not None
        while True:
            with self._changed:
                ready = self._changed.wait_for(
                    lambda: self._waiting is not None or self._closed, timeout=IDLE
                )
                if not ready or self._closed:
                    break
                assert self._waiting is not None
                number, image = self._waiting
                self._waiting = None
            try:
                write_frame(self._process.stdin, number, image)
            except OSError:
                return
        try:
            self._process.stdin.close()
        except OSError:
            return

    def _read(self) -> None:
        assert self._process.stdout is not None
        while (came := read_frame(self._process.stdout)) is not None:
            number, image = came
            with self._changed:
                now = time.monotonic()
                # Frames come back in order: earlier ones will not come any more.
                for earlier in [one for one in self._came if one < number]:
                    self._drop(earlier)
                self._latencies.append(now - self._came.pop(number, now))
                self._back.append(now)
                self._latest, self._shown = image, self._shown + 1

    def _drop(self, number: int) -> None:
        del self._came[number]
        self._dropped += self._shown > 0

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            line = raw.decode("utf-8", "replace").strip()
            if line:
                self._lines.append(line.replace(f"{self._folder}{os.sep}", ""))
