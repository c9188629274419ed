"""What is said where no terminal shows bars, and what is shown where one does."""

import io
import logging
import os
import pty
import re
import sys
import threading
from collections.abc import Iterator

import pytest
from rich.console import Console

from diffmvr.progress import LINE_SECONDS, LONGEST_SILENCE, ProgressBars, tracked


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "diffmvr.progress"):
        yield caplog


def piped(clock: Clock) -> ProgressBars:
    return ProgressBars(Console(file=io.StringIO()), clock)


def test_a_pipe_gets_lines_with_what_is_done_how_fast_and_what_is_left(
    lines: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    with piped(clock) as bars:
        looking = bars.add_task("finding faces", total=None, unit="frames")
        restoring = bars.add_task("restoring", total=96, unit="frames")
        bars.say()
        assert not lines.messages, "nothing has happened yet"
        for _ in range(4):
            clock.now += 2
            bars.advance(looking, 6)
            bars.advance(restoring, 4)
        bars.say()
        bars.say()
        assert lines.messages == [
            "finding faces: 24 frames, 3 frames/s",
            "restoring: 16 of 96 frames, 2 frames/s, 0:00:40 left",
        ], "each is said once"
        bars.update(restoring, completed=96)
    assert lines.messages[2:] == ["restoring: 96 of 96 frames, 12 frames/s, took 0:00:08"]


def test_a_training_says_its_loss(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with piped(clock) as bars:
        task = bars.add_task("training", total=200, completed=100, unit="steps")
        clock.now += 10
        bars.update(task, completed=150, details="loss 0.031, 57.2 frames/s")
        bars.say()
    (line,) = lines.messages
    assert line.startswith("training: 150 of 200 steps, loss 0.031, 57.2 frames/s, 0:00:")


def test_what_does_not_get_on_is_not_silent(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with piped(clock) as bars:
        bars.add_task("scoring", total=2, unit="clips")
        clock.now += LONGEST_SILENCE - 1
        bars.say()
        assert not lines.messages
        clock.now += 1
        bars.say()
        assert lines.messages == ["scoring: 0 of 2 clips"]


def test_a_short_task_needs_no_line(lines: pytest.LogCaptureFixture) -> None:
    assert list(tracked([1, 2, 3], "reading", "clips")) == [1, 2, 3]
    assert not lines.messages


def test_lines_come_every_few_seconds_and_seldomer_in_the_long_run() -> None:
    clock = Clock()
    bars = piped(clock)
    pauses = []
    for now in (0, 400, 2000, 100_000):
        clock.now = 1000 + now
        pauses.append(bars.pause())
    assert pauses == [LINE_SECONDS, LINE_SECONDS, 20, LONGEST_SILENCE]


def test_the_lines_come_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = threading.Event()
    monkeypatch.setattr("diffmvr.progress.LINE_SECONDS", 0.01)
    monkeypatch.setattr(ProgressBars, "say", lambda _: said.set())
    with ProgressBars(Console(file=io.StringIO())):
        assert said.wait(60)


def test_colours_for_a_pipe_make_no_terminal_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ProgressBars(Console(file=io.StringIO())).disable


def test_bars_fit_80_columns_and_lines_of_the_log_stay_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", terminal)
        handler = logging.StreamHandler(terminal)
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [handler])
        monkeypatch.setattr(root, "level", logging.INFO)
        clock = Clock()
        console = Console(stderr=True, width=80, force_terminal=True, color_system=None)
        with ProgressBars(console, clock) as bars:
            training = bars.add_task("training", total=100_000, completed=0, unit="steps")
            bars.add_task("validating", total=12, unit="batches")
            clock.now += 9
            bars.update(training, completed=99_999, details="loss -0.0312, 123.4 frames/s")
            bars.refresh()
            root.warning("v0: note: said among the bars")
        root.warning("said after them")
        assert handler.stream is terminal
        terminal.flush()
        written = b""
        while b"said after them" not in written:
            written += os.read(ours, 4096)
        shown = re.sub(r"\x1b\[\?*\d*[A-Za-z]", "", written.decode())
    os.close(ours)
    # What is in a line after its last return to the beginning.
    plain = [line.strip().rpartition("\r")[2] for line in shown.split("\n")]
    bar = next(line for line in plain if "99999/" in line)
    for part in ("training", "99999/100000", "loss -0.0312, 123.4 frames/s", "left"):
        assert part in bar
    assert len(bar.rstrip()) <= 80 and "…" not in bar
    assert "v0: note: said among the bars" in plain and "said after them" in plain
