"""Frames that nobody takes in time are dropped, the oldest first, and counted."""

import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from threading import Event

import numpy as np
import pytest

from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.restoration.live.capture import Capture, paced

INFO = VideoInfo("source", 2, 2, Fraction(100), Fraction(1, 100))
IMAGE = np.zeros((2, 2, 3), np.uint8)


def frames(count: int, gate: Event | None = None) -> Iterator[Frame]:
    """Frames; all but the first wait for the gate."""
    for index in range(count):
        if gate is not None and index == 1:
            gate.wait()
        yield Frame(index, index, 1, IMAGE)


def until(done: object) -> None:
    """Wait for a condition that another thread brings about."""
    end = time.monotonic() + 20
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_newest_displaces_the_oldest_that_waits() -> None:
    gate = Event()
    with closing(Capture(frames(100, gate), INFO, waiting=2)) as capture:
        assert next(capture).index == 0
        gate.set()
        until(lambda: capture.captured == 100)

        assert [frame.index for frame in capture] == [98, 99]

    assert capture.dropped == 97
    assert capture.captured == capture.dropped + 3


def test_nothing_is_dropped_where_that_is_asked_for() -> None:
    with closing(Capture(frames(50), INFO, waiting=2, drop=False)) as capture:
        assert [frame.index for frame in capture] == list(range(50))
    assert (capture.captured, capture.dropped) == (50, 0)


def test_frames_come_at_their_times() -> None:
    start = time.monotonic()
    seen = [(frame.pts, time.monotonic() - start) for frame in paced(frames(6), INFO, Event())]
    assert all(late >= pts / 100 - 0.001 for pts, late in seen)


def test_memory_is_flat_over_many_frames() -> None:
    """Days of frames by counting: what is held does not grow with what has come."""
    with closing(Capture(frames(50_000), INFO, waiting=2)) as capture:
        held = 0
        for shown, frame in enumerate(capture):
            capture.age(frame.index)
            if shown % 1000 == 0:
                held = max(held, len(capture._times), len(capture._waiting))
        assert held <= 3 and not capture._times
    assert capture.captured == 50_000


def test_what_ends_the_source_is_raised_after_what_came_before() -> None:
    def broken() -> Iterator[Frame]:
        yield Frame(0, 0, 1, IMAGE)
        raise ValueError("input: the camera burns")

    with closing(Capture(broken(), INFO)) as capture:
        assert next(capture).index == 0
        with pytest.raises(ValueError, match="the camera burns"):
            next(capture)


def test_whoever_waits_for_a_frame_is_let_go() -> None:
    gate = Event()
    capture = Capture(frames(2, gate), INFO)
    next(capture)
    capture.stop()
    assert list(capture) == []
    gate.set()
    capture.close()


def test_a_frame_is_as_old_as_it_was_captured_ago() -> None:
    with closing(Capture(frames(1), INFO)) as capture:
        frame = next(capture)
        time.sleep(0.05)
        assert 0.05 <= capture.age_of(frame.index) <= capture.age(frame.index) < 10
