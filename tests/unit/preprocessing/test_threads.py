"""What is done beside the main thread: in order, bounded, with its errors."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.threads import ReadAhead, in_order, worker_count, write_behind
from diffmvr.preprocessing.video_writer import PngWriter


class BrokenError(Exception):
    """What goes wrong in a thread."""


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def numbers(count: int, seen: list[int]) -> Iterator[int]:
    for k in range(count):
        seen.append(k)
        yield k
    raise BrokenError(f"after {count}")


def test_an_error_while_reading_ahead_arrives_after_what_was_read() -> None:
    got = []
    with pytest.raises(BrokenError, match="after 9"):
        for k in ReadAhead(numbers(9, []), 2):
            got.append(k)
    assert got == list(range(9))
    assert list(ReadAhead(iter("abc"))) == list("abc")


def test_reading_ahead_is_bounded_and_ends_with_its_reader() -> None:
    seen: list[int] = []
    with closing(ReadAhead(numbers(10**6, seen), 3)) as reader:
        assert [next(reader) for _ in range(4)] == [0, 1, 2, 3]
    # Three wait, and one is in the hand.
    assert len(seen) <= 4 + 3 + 1


def test_what_is_written_behind_is_written_in_order_and_before_the_end() -> None:
    written: list[int] = []
    with write_behind(written.append, 2) as write:
        for k in range(20):
            write(k)
    assert written == list(range(20))


@pytest.mark.parametrize("fails_at", [0, 9])
def test_an_error_while_writing_behind_arrives_in_the_caller(fails_at: int) -> None:
    written = []

    def write_one(k: int) -> None:
        if k == fails_at:
            raise BrokenError(f"at {k}")
        written.append(k)

    with pytest.raises(BrokenError, match=f"at {fails_at}"), write_behind(write_one, 2) as write:
        for k in range(10):
            write(k)
    assert written == list(range(fails_at))


def test_ctrl_c_leaves_what_waits_unwritten_and_no_thread() -> None:
    begun, go_on = threading.Event(), threading.Event()
    written = []

    def slowly(k: int) -> None:
        begun.set()
        assert go_on.wait(10)
        written.append(k)

    with pytest.raises(KeyboardInterrupt), write_behind(slowly, 4) as write:
        for k in range(4):
            write(k)
        assert begun.wait(10)
        # Held until the block has ended, as far as one thread can tell.
        threading.Timer(0.3, go_on.set).start()
        raise KeyboardInterrupt
    assert written == [0]


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_few_are_held(workers: int) -> None:
    seen: list[int] = []
    results = in_order(lambda k: k * k, numbers(30, seen), workers)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(seen) <= 5 + 2 * workers
    with pytest.raises(BrokenError):
        list(results)

    def fail(k: int) -> int:
        raise BrokenError(f"at {k}")

    with pytest.raises(BrokenError, match="at 0"):
        list(in_order(fail, range(5), workers))


def test_several_work_at_once() -> None:
    # Each waits for the other: one after the other would break the barrier.
    meeting = threading.Barrier(2, timeout=10)
    assert sorted(in_order(lambda k: meeting.wait(), range(2), 2)) == [0, 1]


def test_threads_go_by_the_setting() -> None:
    assert worker_count(3) == 3 and worker_count(0) >= 1


def test_a_picture_that_cannot_be_written_is_an_error_of_the_writer(tmp_path: Path) -> None:
    frames = [Frame(k, k, 1, np.full((4, 4, 3), k, np.uint8)) for k in range(12)]
    with PngWriter(tmp_path / "whole") as writer:
        for frame in frames:
            writer.write(frame)
    assert len(list((tmp_path / "whole").iterdir())) == 12

    writer = PngWriter(tmp_path / "broken")
    with pytest.raises(FileNotFoundError), writer:
        (tmp_path / "broken").rmdir()
        writer.write(frames[0])
