"""The order of clips depends on (seed, epoch) alone, and can be taken up anywhere."""

from itertools import chain

import pytest
from tests.helpers.tiny import tiny_datamodule

from diffmvr.data.loader import ClipLoader, EpochSeededSampler
from diffmvr.structures import ClipBatch

LENGTH, BATCH = 23, 3


def batches(sampler: EpochSeededSampler) -> list[list[int]]:
    order = list(sampler)
    assert len(order) == len(sampler) == sampler.batches * sampler.batch_size
    return [order[i : i + sampler.batch_size] for i in range(0, len(order), sampler.batch_size)]


def sampler(rank: int = 0, world_size: int = 1, seed: int = 0, epoch: int = 0):
    made = EpochSeededSampler(LENGTH, BATCH, seed, rank, world_size)
    made.set_epoch(epoch)
    return made


def test_an_epoch_is_a_permutation_without_repeats() -> None:
    order = list(sampler())
    assert len(set(order)) == len(order) == 21  # 7 whole batches of 3
    assert set(order) < set(range(LENGTH)) and order != sorted(order)


def test_the_order_is_that_of_its_seed_and_epoch() -> None:
    assert list(sampler(seed=1, epoch=2)) == list(sampler(seed=1, epoch=2))
    orders = {tuple(sampler(seed=s, epoch=e)) for s in range(3) for e in range(3)}
    assert len(orders) == 9


@pytest.mark.parametrize("epoch", [0, 5])
def test_two_processes_take_the_clips_of_one(epoch: int) -> None:
    # One process with batches of 2·3 and two with batches of 3 see the same clips in each step.
    alone = EpochSeededSampler(LENGTH, 2 * BATCH, 0)
    alone.set_epoch(epoch)
    ranks = [batches(sampler(rank, 2, epoch=epoch)) for rank in range(2)]
    assert len(ranks[0]) == len(ranks[1]) == alone.batches
    for whole, first, second in zip(batches(alone), *ranks, strict=True):
        assert whole == first + second


@pytest.mark.parametrize(("processes", "accumulated"), [(1, 2), (2, 1), (2, 3), (3, 2)])
def test_an_optimizer_step_takes_the_clips_of_one_large_batch(
    processes: int, accumulated: int
) -> None:
    parts = processes * accumulated
    large = EpochSeededSampler(4 * LENGTH, parts * BATCH, 0)
    ranks = [
        batches(EpochSeededSampler(4 * LENGTH, BATCH, 0, rank, processes, accumulated))
        for rank in range(processes)
    ]
    assert {len(rank) for rank in ranks} == {large.batches * accumulated}, "no half steps"
    taken = [clip for batch in zip(*ranks, strict=True) for part in batch for clip in part]
    assert taken == list(large)


def test_more_processes_never_share_a_clip() -> None:
    taken = [clip for rank in range(3) for clip in sampler(rank, 3)]
    assert len(taken) == len(set(taken)) == 3 * (LENGTH // (3 * BATCH)) * BATCH


def test_a_resumed_epoch_leaves_out_what_was_taken_and_no_later_one_does() -> None:
    whole, next_epoch = batches(sampler(epoch=4)), batches(sampler(epoch=5))
    resumed = EpochSeededSampler(LENGTH, BATCH, 0)
    resumed.resume(epoch=4, batches=2)
    assert list(resumed) == list(chain(*whole[2:]))
    resumed.set_epoch(5)
    assert list(resumed) == list(chain(*next_epoch))


def test_too_few_clips_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"batch_size: 8 clips × 3 processes .* 23 clips"):
        EpochSeededSampler(LENGTH, 8, 0, 0, 3)
    with pytest.raises(ValueError, match=r"8 clips × 1 processes × 3 accumulated .* 23 clips"):
        EpochSeededSampler(LENGTH, 8, 0, accumulated=3)


def names(batch: ClipBatch) -> list[tuple[str, int]]:
    return [
        (clip, int(first))
        for clip, first in zip(batch.clip_id, batch.frame_index[:, 0], strict=True)
    ]


def loader(epoch: int = 0, workers: int = 0) -> ClipLoader:
    made = tiny_datamodule(num_workers=workers).train_dataloader()
    made.sampler.set_epoch(epoch)
    return made


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_goes_on_where_its_state_says(workers: int) -> None:
    whole = [names(batch) for batch in loader(epoch=1)]
    assert len(whole) == len(loader()) == 3
    first = loader(epoch=1, workers=workers)
    assert names(next(iter(first))) == whole[0]
    # What a process has fetched ahead does not count.
    assert first.state_dict() == {"epoch": 1, "batches": 1}
    # A process takes seconds to start: the one that is there goes on.
    second = first if workers else loader()
    second.load_state_dict(first.state_dict())
    assert [names(batch) for batch in second] == whole[1:]
    assert second.state_dict() == {"epoch": 1, "batches": 3}
    # The next epoch is whole, although nobody exhausted an iterator that was left half-way.
    second.load_state_dict({"epoch": 1, "batches": 2})
    next(iter(second))
    second.sampler.set_epoch(2)
    # Before its first batch, an epoch stands where it will start.
    assert second.state_dict() == {"epoch": 2, "batches": 0}
    assert [names(batch) for batch in second] == [names(batch) for batch in loader(epoch=2)]


def test_what_was_loaded_and_not_gone_on_from_is_saved_as_it_was() -> None:
    resumed = loader()
    resumed.load_state_dict({"epoch": 1, "batches": 2})
    iter(resumed)
    assert resumed.state_dict() == {"epoch": 1, "batches": 2}
