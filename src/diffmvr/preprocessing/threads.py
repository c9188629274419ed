"""Work beside the main thread: reading ahead, writing behind, several frames at once.

Order is kept, memory is bounded, and an error in a thread is raised in the caller.  Whatever ends
the ``with`` block, Ctrl-C included, ends the threads, after the frame that each has at hand.
"""

import os
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4
"""How many frames are read ahead or wait to be written."""

MOST_WORKERS = 4
POLL_SECONDS = 0.1


def worker_count(threads: int) -> int:
    """Return how many frames are worked on at once: ``threads``, or by the cores if it is 0."""
    return threads or min(MOST_WORKERS, os.cpu_count() or 1)


class ReadAhead(Iterator[T]):
    """Items that a thread of its own reads while others work on those before.

    The thread starts at once.  Close the reader, for example with ``contextlib.closing``, where it
    may not be read to its end.

    Args:
        items: iterated in that thread alone.
        ahead: how many are held at most.
    """

    def __init__(self, items: Iterable[T], ahead: int = AHEAD) -> None:
        self._ready: Queue[tuple[str, Any]] = Queue(ahead)
        self._stopped = Event()
        work = (items, self._ready, self._stopped)
        self._thread = Thread(target=_hand_over, args=work, name="read ahead", daemon=True)
        weakref.finalize(self, self._stopped.set)
        self._thread.start()

    def __next__(self) -> T:
        """Return the next item; raise what reading it raised."""
        while not self._stopped.is_set():
            try:
                kind, value = self._ready.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if kind == "item":
                item: T = value
                return item
            self.close()
            if kind == "error":
                raise value
        raise StopIteration

    def close(self) -> None:
        """End the thread, after the item at hand; a reader in any thread is at the end then."""
        self._stopped.set()
        self._thread.join()


def _hand_over(items: Iterable[Any], ready: Queue[tuple[str, Any]], stopped: Event) -> None:
    """Put items into a queue, and then how they ended, until that is stopped."""

    def put(kind: str, value: Any = None) -> bool:
        while not stopped.is_set():
            try:
                ready.put((kind, value), timeout=POLL_SECONDS)
                return True
            except Full:
                continue
        return False

    try:
        for item in items:
            if not put("item", item):
                return
    except BaseException as error:
        put("error", error)
    else:
        put("end")


@contextmanager
def write_behind(
    write: Callable[[T], object], behind: int = AHEAD
) -> Iterator[Callable[[T], None]]:
    """Write items in a thread of their own while the caller makes the next ones.

    Args:
        write: called in that thread alone, with the items in order.
        behind: how many wait at most; with more, handing one over waits.

    Yields:
        The function that takes an item.  It raises what an earlier ``write`` raised, as does the
        end of the block, which waits for all of them.  Where the block ends with an error, those
        that wait are not written.
    """
    waiting: Queue[T | None] = Queue(behind)
    stopped = Event()
    failure: list[BaseException] = []

    def work() -> None:
        while not stopped.is_set():
            try:
                item = waiting.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if item is None:
                return
            try:
                write(item)
            except BaseException as error:
                failure.append(error)
                stopped.set()

    def take(item: T | None) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=POLL_SECONDS)
                return
            except Full:
                continue
        raise failure[0]

    thread = Thread(target=work, name="write behind", daemon=True)
    thread.start()
    try:
        yield take
        take(None)
        thread.join()
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        thread.join()


def in_order(
    function: Callable[[T], R], items: Iterable[T], workers: int
) -> Generator[R, None, None]:
    """Call a function with each item, with ``workers`` of them at once; yield the results in order.

    At most twice as many results as workers are held.  One worker is the caller's own thread.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers, "frames")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
