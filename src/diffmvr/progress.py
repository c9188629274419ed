"""How far a command has come: bars on a terminal, and elsewhere a line of the log now and then."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from datetime import timedelta
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

log = logging.getLogger(__name__)

T = TypeVar("T")

LINE_SECONDS = 5.0
"""Time between two lines of a command that has just begun."""
LONGEST_SILENCE = 30.0
"""Time between two lines of a command that runs for hours, or that does not get on."""
# With the longest names, numbers and rates, a bar of this width fits 80 columns.
BAR_WIDTH = 10


class ProgressBars(Progress):
    """Bars on stderr where it is a terminal; elsewhere lines of the log, from a thread.

    A task is added with its ``unit``, e.g. ``add_task("restoring", total=96, unit="frames")``;
    ``update(task, details="loss 0.03")`` puts something else in the place of its units a second.

    Args:
        console: another one than stderr.
        get_time: another clock, in seconds.
    """

    def __init__(
        self, console: Console | None = None, get_time: Callable[[], float] = time.monotonic
    ) -> None:
        console = console or Console(stderr=True)
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(BAR_WIDTH),
            MofNCompleteColumn(),
            _Rate(),
            _TimeLeft(),
            console=console,
            get_time=get_time,
            # What is piped away is not shown among the bars.
            redirect_stdout=sys.stdout.isatty(),
            disable=not _can_show_bars(console),
        )
        self._begun = get_time()
        # Of each task: what was done when it was last said, and when that was.
        self._said: dict[TaskID, tuple[float, float]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._moved: list[tuple[logging.StreamHandler[Any], Any]] = []

    def start(self) -> None:
        """Show the bars, or begin to say lines."""
        terminals = [stream for stream in (sys.stdout, sys.stderr) if stream.isatty()]
        super().start()
        if self.disable and self._thread is None:
            self._thread = threading.Thread(target=self._say_on_time, daemon=True)
            self._thread.start()
        for handler in [] if self.disable else logging.getLogger().handlers:
            # Else a line of the log would be written into a bar.
            if isinstance(handler, logging.StreamHandler) and handler.stream in terminals:
                self._moved.append((handler, handler.stream))
                handler.setStream(sys.stderr)

    def stop(self) -> None:
        """End the bars; where lines were said, say a last one."""
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._moved.clear()
        super().stop()
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None
            for task in self.tasks:
                if task.id in self._said and self._said[task.id][0] != task.completed:
                    self._say(task)

    def say(self) -> None:
        """Say a line of each task that has moved since its last, or of which nothing was heard."""
        now = self.get_time()
        for task in self.tasks:
            done, when = self._said.get(task.id, (None, self._begun))
            moved = task.completed != done if done is not None else task.completed > 0
            if moved or (not task.finished and now - when >= LONGEST_SILENCE):
                self._say(task)

    def _say(self, task: Task) -> None:
        self._said[task.id] = (task.completed, self.get_time())
        total = "" if task.total is None else f" of {task.total:.0f}"
        unit = f" {task.fields['unit']}" if task.fields.get("unit") else ""
        said = [f"{task.description}: {int(task.completed)}{total}{unit}"]
        rate, left = _rate(task), _seconds_left(task)
        if rate:
            said.append(rate)
        if task.finished:
            said.append(f"took {_duration(task.finished_time or 0)}")
        elif left is not None:
            said.append(f"{_duration(left)} left")
        log.info("%s", ", ".join(said))

    def _say_on_time(self) -> None:
        while not self._ended.wait(self.pause()):
            self.say()

    def pause(self) -> float:
        """Return the seconds until the next lines: the longer it has taken, the fewer."""
        return min(max(LINE_SECONDS, (self.get_time() - self._begun) / 100), LONGEST_SILENCE)


def tracked(
    items: Iterable[T], description: str, unit: str, total: float | None = None
) -> Iterator[T]:
    """Yield items, and show how many have been worked through.

    Args:
        items: what is worked through.
        description: what is done with them, e.g. ``"encoding"``.
        unit: what they are, in the plural.
        total: how many there are; ``None``: as ``len`` says, if it does.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with ProgressBars() as progress:
        task = progress.add_task(description, total=total, unit=unit)
        for item in items:
            yield item
            progress.advance(task)


def _can_show_bars(console: Console) -> bool:
    """Return whether a console is a terminal: FORCE_COLOR makes no terminal of a pipe."""
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_rate(task), no_wrap=True)


class _TimeLeft(ProgressColumn):
    """The time that is left; once a task is over, or its end unknown, the time it has taken."""

    def render(self, task: Task) -> Text:
        left = _seconds_left(task)
        if left is not None and not task.finished:
            return Text(f"{_duration(left)} left", no_wrap=True)
        taken = task.finished_time if task.finished else task.elapsed
        return Text("" if taken is None else _duration(taken), no_wrap=True)


def _per_second(task: Task) -> float | None:
    """Return how fast a task gets on: of late, or on the whole if it is over or hardly moves."""
    taken = task.finished_time if task.finished else task.elapsed
    if task.speed and not task.finished:
        return task.speed
    return task.completed / taken if taken and task.completed else None


def _rate(task: Task) -> str:
    details: str | None = task.fields.get("details")
    if details is not None:
        return details
    unit, speed = task.fields.get("unit"), _per_second(task)
    return f"{speed:.3g} {unit}/s" if unit and speed else ""


def _seconds_left(task: Task) -> float | None:
    speed = _per_second(task)
    return None if task.remaining is None or not speed else task.remaining / speed


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
