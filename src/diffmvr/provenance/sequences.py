"""Which entries of a list were changed, removed or added, given their hashes before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["changed", "removed", "added"]


@dataclass(frozen=True)
class Difference:
    """One entry that is not what it was.

    Attributes:
        kind: what became of it.
        before: its place in the first list; of one that was added, of the entry that it now stands
            before (the length of the list at its end).
        after: its place in the second list; of one that was removed, likewise.
    """

    kind: Kind
    before: int
    after: int


def differences(before: Sequence[str], after: Sequence[str]) -> list[Difference]:
    """Align two lists of hashes.

    What is equal at both ends is left out of the alignment, which takes the square of the rest in
    time where many entries are alike.

    >>> differences(["a", "b", "c"], ["a", "c"])
    [Difference(kind='removed', before=1, after=1)]
    """
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    found = []
    for _, i, i_end, j, j_end in _blocks(old, new):
        shared = min(i_end - i, j_end - j)
        places = [("changed", k, k) for k in range(shared)]
        places += [("removed", k, shared) for k in range(shared, i_end - i)]
        places += [("added", shared, k) for k in range(shared, j_end - j)]
        found += [
            Difference(kind, start + i + k, start + j + m)  # type: ignore[arg-type]
            for kind, k, m in places
        ]
    return found


def _blocks(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    if len(old) == len(new) and not set(old) & set(new):
        # Encoded anew: nothing to align.
        return [("replace", 0, len(old), 0, len(new))]
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [code for code in codes if code[0] != "equal"]
