"""Aligning hashes before and after."""

import numpy as np
import pytest

from diffmvr.provenance.sequences import Difference, differences


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ("abcde", []),
        ("abXde", [Difference("changed", 2, 2)]),
        ("abde", [Difference("removed", 2, 2)]),
        ("abcXde", [Difference("added", 3, 3)]),
        ("bcde", [Difference("removed", 0, 0)]),
        ("abcd", [Difference("removed", 4, 4)]),
        ("abcdee", [Difference("added", 5, 5)]),
        ("", [Difference("removed", k, 0) for k in range(5)]),
        ("VWXYZ", [Difference("changed", k, k) for k in range(5)]),
    ],
)
def test_one_edit_is_named(after: str, found: list[Difference]) -> None:
    assert differences("abcde", after) == found


def test_any_edits_are_undone_by_what_is_found() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        before = [str(k) for k in rng.integers(0, 6, rng.integers(0, 12))]
        after = [str(k) for k in rng.integers(0, 6, rng.integers(0, 12))]
        found = differences(before, after)
        gone = {one.before for one in found if one.kind != "added"}
        new = {one.after for one in found if one.kind != "removed"}
        kept = [entry for k, entry in enumerate(before) if k not in gone]
        assert kept == [entry for k, entry in enumerate(after) if k not in new]
