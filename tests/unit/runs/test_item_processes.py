"""An item that kills its process costs no other item."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from tests.helpers.items import halve

from diffmvr.runs.item_processes import ItemProcesses


def processes(polls: list[int]) -> ItemProcesses[int, float]:
    return ItemProcesses(
        lambda count: ProcessPoolExecutor(count, get_context("forkserver")),
        halve,
        2,
        on_poll=lambda: polls.append(1),
        poll=0.05,
    )


def test_a_recording_that_kills_its_process_costs_no_other_one() -> None:
    polls: list[int] = []
    numbers = [1, 2, 13, 4, 5, 6, 7]
    results = list(processes(polls).run(numbers))
    assert sorted(number for number, _ in results) == sorted(numbers), "each once"
    assert dict(results) == {**{n: n / 2 for n in numbers}, 13: None}
    assert polls


def test_what_ends_the_work_on_all_is_raised() -> None:
    with pytest.raises(OSError, match="the disk is full"):
        list(processes([]).run([1, 0, 3, 4]))
