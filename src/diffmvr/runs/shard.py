"""One of several equal jobs, and the items that are its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, order=True)
class Shard:
    """One of several equal jobs.

    Attributes:
        number: which, 1 to ``count``.
        count: how many there are.

    Raises:
        ValueError: if there is no such job.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"shard: expected 1/{self.count} to {self.count}/{self.count}, got {self}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``"1/4"``.

        Raises:
            ValueError: if it is not of that form, or there is no such job.
        """
        number, _, count = str(text).partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise ValueError(
                f"shard: expected the number of this job and of all, as 1/4, got {text!r}"
            )
        return cls(int(number), int(count))

    def of(self, items: Sequence[Item], what: str = "clips") -> list[Item]:
        """Return this job's items: consecutive ones, so that the parts in order are the whole.

        Args:
            items: those of all jobs.
            what: their name, for the message.

        Raises:
            ValueError: if there are fewer items than jobs.
        """
        if len(items) < self.count:
            raise ValueError(
                f"shard: {self.count} jobs for {len(items)} {what}; use at most {len(items)}"
            )
        first, end = (len(items) * n // self.count for n in (self.number - 1, self.number))
        return list(items[first:end])


def check_all(shards: Sequence[Shard]) -> None:
    """Require every job of one division, each once.

    Raises:
        ValueError: naming those that are absent or there twice.
    """
    counts = sorted({shard.count for shard in shards})
    if len(counts) > 1:
        raise ValueError(f"shard: the parts are of {counts} jobs; merge those of one division")
    absent = sorted({Shard(n, counts[0]) for n in range(1, counts[0] + 1)} - set(shards))
    if absent:
        names = ", ".join(map(str, absent))
        raise ValueError(f"shard: {names} not finished; run the same command with shard={names}")
    twice = sorted({str(shard) for shard in shards if shards.count(shard) > 1})
    if twice:
        raise ValueError(f"shard: {', '.join(twice)} there twice; name the folders of one run")
