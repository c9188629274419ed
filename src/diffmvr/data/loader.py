"""A loader whose order depends on (seed, epoch) alone and that can resume in mid-epoch.

Lightning's own mid-epoch resume reshuffles; here the state is the number of batches taken.
"""

from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from diffmvr.seeds import number_seed
from diffmvr.structures import collate_clips


class EpochSeededSampler(Sampler[int]):
    """Shuffles clips by (seed, epoch), shards them over ranks, never splits a clip.

    Every rank gets the same number of clips; the order over all ranks together does not depend on
    how many there are.  A batch on each of two ranks, two batches accumulated, and one batch twice
    as large are the same clips in the same order; what does not fill a last one is dropped.

    Args:
        length: clips in the dataset.
        batch_size: clips of one batch on one rank.
        seed: order seed.
        rank: this process.
        world_size: number of processes.
        accumulated: batches of one optimizer step on one rank.

    Raises:
        ValueError: if there are fewer clips than one optimizer step takes.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        accumulated: int = 1,
    ) -> None:
        if length < batch_size * world_size * accumulated:
            several = f" × {accumulated} accumulated" if accumulated > 1 else ""
            raise ValueError(
                f"batch_size: {batch_size} clips × {world_size} processes{several} is more than "
                f"the {length} clips there are; use a smaller batch or more data"
            )
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.accumulated = accumulated
        self.epoch = 0
        self._resumed = (0, 0)

    @classmethod
    def of_trainer(
        cls, length: int, batch_size: int, seed: int, trainer: L.Trainer | None
    ) -> "EpochSeededSampler":
        """Return this process's part of what a trainer trains on; all of it without a trainer."""
        if trainer is None:
            return cls(length, batch_size, seed)
        place = trainer.global_rank, trainer.world_size, trainer.accumulate_grad_batches
        return cls(length, batch_size, seed, *place)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass (Lightning calls this)."""
        self.epoch = epoch

    def resume(self, epoch: int, batches: int) -> None:
        """Leave out the first ``batches`` batches of ``epoch``, and of no other epoch."""
        self.epoch = epoch
        self._resumed = (epoch, batches)

    @property
    def first_batch(self) -> int:
        """The batch at which the pass of this epoch starts."""
        epoch, batches = self._resumed
        return batches if self.epoch == epoch else 0

    @property
    def batches(self) -> int:
        """Batches of one pass on one rank."""
        steps = self.length // (self.batch_size * self.world_size * self.accumulated)
        return steps * self.accumulated

    def __len__(self) -> int:
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(number_seed(self.seed, self.epoch))
        order = torch.randperm(self.length, generator=generator).tolist()
        for batch in range(self.first_batch, self.batches):
            first = (batch * self.world_size + self.rank) * self.batch_size
            yield from order[first : first + self.batch_size]


class ClipLoader(DataLoader[Any]):
    """A DataLoader of whole clips with ``state_dict``/``load_state_dict`` (Lightning saves it).

    Args:
        dataset: yields the windows.
        sampler: the order.
        num_workers: loading processes; 0 when the clips are kept in memory.
        pin_memory: for transfers to a GPU.
        collate_fn: makes a batch of a list of windows; by default of (clip, guides).
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        sampler: EpochSeededSampler,
        num_workers: int = 0,
        pin_memory: bool = False,
        collate_fn: Callable[[Any], Any] = collate_clips,
    ) -> None:
        super().__init__(
            dataset,
            batch_size=sampler.batch_size,
            sampler=sampler,
            num_workers=num_workers,
            pin_memory=pin_memory,
            collate_fn=collate_fn,
            drop_last=True,
            persistent_workers=num_workers > 0,
            # Polars, which reads stores and caches, and OpenCV hang in a forked process.
            multiprocessing_context="spawn" if num_workers > 0 else None,
        )
        self._order = sampler
        # Of an epoch.
        self._taken = (-1, 0)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # Lightning stops after the last batch without asking for one more, so nothing can be
        # tidied up after the loop.
        epoch, taken = self._order.epoch, self._order.first_batch
        for batch in super().__iter__():
            taken += 1
            self._taken = (epoch, taken)
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how far this epoch is."""
        epoch, taken = self._taken
        if epoch != self._order.epoch:
            # No batch of this one was asked for yet.
            epoch, taken = self._order.epoch, self._order.first_batch
        return {"epoch": epoch, "batches": taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after ``batches`` batches of ``epoch``."""
        self._order.resume(state["epoch"], state["batches"])
        self._taken = (state["epoch"], state["batches"])
