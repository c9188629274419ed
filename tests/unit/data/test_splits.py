"""Nobody is in two splits, and nobody moves when others join (decisions 15)."""

import subprocess
import sys
from itertools import chain

import pytest

from diffmvr.data.splits import (
    SPLITS,
    check_disjoint,
    first_clips,
    split_indices,
    split_of,
    spread_clips,
)

BENCHMARK = [f"{subject:05d}" for subject in range(300)]


def test_the_benchmark_has_enough_people_in_every_split() -> None:
    people = dict.fromkeys(SPLITS, 0)
    for subject in BENCHMARK:
        people[split_of(subject)] += 1
    assert sum(people.values()) == 300
    assert people["test"] >= 60
    assert 0.6 <= people["train"] / 300 <= 0.8 and people["val"] >= 15


def test_shares_hold_over_many_people() -> None:
    count = 20_000
    splits = [split_of(f"person-{index}") for index in range(count)]
    # Five standard deviations of a binomial share are 1.6 %.
    for name, share in zip(SPLITS, (0.7, 0.1, 0.2), strict=True):
        assert splits.count(name) / count == pytest.approx(share, abs=0.016)


def test_every_clip_of_a_person_goes_with_them() -> None:
    subjects = [f"{index % 50:05d}" for index in range(200)]
    indices = split_indices(subjects)
    assert sorted(chain(*indices.values())) == list(range(200))
    people = {name: {subjects[index] for index in ids} for name, ids in indices.items()}
    assert not people["train"] & people["test"]
    assert not people["train"] & people["val"]
    assert not people["val"] & people["test"]
    assert all(ids == sorted(ids) for ids in indices.values())


def test_new_people_move_nobody() -> None:
    few, many = BENCHMARK[:100], BENCHMARK
    before = {subject: split_of(subject) for subject in few}
    indices = split_indices(many)
    for name, ids in indices.items():
        assert all(before.get(many[index], name) == name for index in ids)


KEPT = ["00001", "00002", "00003"]


@pytest.mark.parametrize("fractions", [(0.7, 0.1, 0.2), (0.98, 0.02, 0.0), (0.0, 0.0, 1.0)])
def test_people_whom_the_data_keep_for_tests_are_tested_with_and_nobody_else(
    fractions: tuple[float, float, float],
) -> None:
    indices = split_indices(BENCHMARK, fractions, test_people=KEPT)
    assert [BENCHMARK[index] for index in indices["test"]] == KEPT
    assert len(indices["train"]) + len(indices["val"]) == 297


def test_of_those_who_are_kept_some_can_be_named_and_the_others_are_left_out() -> None:
    indices = split_indices(BENCHMARK, test_subjects=KEPT[:1], test_people=KEPT)
    assert indices["test"] == [1] and indices["val"] == []
    assert len(indices["train"]) == 297


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"val_subjects": ["00002"]}, r"data.val_subjects: expected none of .*got '00002'"),
        ({"test_subjects": ["00007"]}, r"data.test_subjects: expected some of .*got '00007'"),
    ],
)
def test_those_who_are_kept_for_tests_cannot_be_named_for_anything_else(
    named: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        split_indices(BENCHMARK, **named, test_people=KEPT)


def test_the_split_does_not_depend_on_the_process() -> None:
    # Python's own hash() of a string differs from run to run.
    code = (
        "from diffmvr.data.splits import split_of;print(*[split_of(f'{i:05d}') for i in range(40)])"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert other.stdout.split() == [split_of(subject) for subject in BENCHMARK[:40]]


def test_first_clips_of_each_person() -> None:
    subjects = ["a", "a", "b", "a", "b", "c"]
    assert first_clips([0, 1, 2, 3, 4, 5], subjects, 1) == [0, 2, 5]
    assert first_clips([1, 2, 3, 4], subjects, 2) == [1, 2, 3, 4]
    assert first_clips([3, 4], subjects, None) == [3, 4]


def test_a_person_on_both_sides_is_an_error() -> None:
    check_disjoint({"train": ["a", "a"], "test": ["b"]})
    with pytest.raises(ValueError, match="subject 'b' is in both train and test"):
        check_disjoint({"train": ["a", "b"], "test": ["b"]})


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.2, -0.4, 0.2)])
def test_shares_must_be_shares(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"fractions: .*sum to 1") as error:
        split_of("a", fractions)
    assert str(fractions) in str(error.value)


def test_few_clips_are_of_many_people() -> None:
    subjects = ["a", "a", "b", "c", "c", "c"]
    assert spread_clips(subjects, 3) == [0, 2, 3]
    assert spread_clips(subjects, 4) == [0, 1, 2, 3]
    assert spread_clips(subjects, 100) == [0, 1, 2, 3, 4, 5]
    assert spread_clips(subjects, 1) == [0]
