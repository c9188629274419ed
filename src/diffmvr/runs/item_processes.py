"""Many items done by a few processes, where one that kills its process costs no other item."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, TypeVar

from diffmvr.signals import StoppedError

Item = TypeVar("Item")
Result = TypeVar("Result")


class ItemProcesses(Generic[Item, Result]):
    """Does items in processes of their own.

    A process that dies (a decoder that crashes, the system that is out of memory) takes all those
    of its pool with it.  So no more items are under way than there are processes, and those that
    were are done once more, each alone: one that kills its process again is to blame.

    Args:
        open_pool: makes a pool of so many processes.
        function: what each item is given to, in a process.
        processes: at a time.
        on_poll: called every ``poll`` seconds.
        poll: in seconds.
    """

    def __init__(
        self,
        open_pool: Callable[[int], ProcessPoolExecutor],
        function: Callable[[Item], Result],
        processes: int,
        on_poll: Callable[[], None],
        poll: float,
    ) -> None:
        self._open_pool, self._function = open_pool, function
        self._processes, self._on_poll, self._poll = processes, on_poll, poll
        self._suspects: deque[Item] = deque()

    def run(self, items: Sequence[Item]) -> Iterator[tuple[Item, Result | None]]:
        """Do all items.

        Yields:
            Each with its result, as soon as it is there; ``None`` if it killed its process.

        Raises:
            Exception: what ``function`` raised.
        """
        waiting = deque(items)
        while waiting or self._suspects:
            if self._suspects:
                yield from self._run_pool(self._suspects, 1)
            else:
                yield from self._run_pool(waiting, self._processes)

    def _run_pool(
        self, waiting: "deque[Item]", processes: int
    ) -> Iterator[tuple[Item, Result | None]]:
        """Do items until there are no more, or a process has died."""
        pool = self._open_pool(min(processes, len(waiting)))
        under_way: dict[Future[Result], Item] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < processes:
                    under_way[pool.submit(self._function, waiting[0])] = waiting[0]
                    waiting.popleft()
                done, _ = wait(under_way, self._poll, FIRST_COMPLETED)
                self._on_poll()
                for future in done:
                    result = future.result()
                    yield under_way.pop(future), result
        except BrokenProcessPool:
            wait(under_way)
            died = [one for one in under_way if isinstance(one.exception(), BrokenProcessPool)]
            for future, item in under_way.items():
                if future not in died:
                    yield item, future.result()
                elif len(died) == 1:
                    yield item, None
                else:
                    self._suspects.append(item)
        except StoppedError:
            # A scheduler kills what has not ended in seconds; an item takes minutes.
            for process in [*pool._processes.values()]:
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
