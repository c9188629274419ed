"""A few of many, evenly spread over a stream whose length is not known beforehand."""

from typing import Generic, TypeVar

from diffmvr.checks import check_number

T = TypeVar("T")


class Spread(Generic[T]):
    """Keeps every n-th of the items that come; n doubles when there are too many.

    Args:
        least: so many are kept at least, once so many have come; twice as many at most.

    Attributes:
        items: those that are kept, in order.
    """

    def __init__(self, least: int) -> None:
        check_number("least", least, 1, 10_000)
        self.items: list[T] = []
        self._most = 2 * least
        self._step = 1
        self._count = 0

    def wants_next(self) -> bool:
        """Return whether the next item would be kept: else it need not be made."""
        return self._count % self._step == 0

    def add(self, item: T | None) -> None:
        """Take the next item; ``None`` where it is not wanted."""
        if self.wants_next() and item is not None:
            self.items.append(item)
        self._count += 1
        if len(self.items) > self._most:
            self.items = self.items[::2]
            self._step *= 2
