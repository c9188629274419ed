"""Train, validation and test by subject, so that nobody is on both sides (decisions 15)."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SPLITS = ("train", "val", "test")
# Of the salts tried, one that puts at least 60 of the 300 benchmark subjects into test.
_SALT = "diffmvr-split-9"


def split_of(subject_id: str, fractions: Sequence[float] = (0.7, 0.1, 0.2)) -> str:
    """Return the split of a subject: a stable hash of the id, the same on every machine.

    It depends on nothing but the id, so adding subjects moves nobody.

    Args:
        subject_id: the person's name in the data.
        fractions: shares of train, val and test; they sum to 1.

    Raises:
        ValueError: if the fractions are not three non-negative numbers that sum to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"fractions: expected three shares that sum to 1 (train, val, test), got {fractions}"
        )
    digest = hashlib.blake2b(f"{_SALT}:{subject_id}".encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    if position < fractions[0]:
        return "train"
    return "val" if position < fractions[0] + fractions[1] else "test"


def split_indices(
    subject_ids: Sequence[str],
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    val_subjects: Sequence[str] | None = None,
    test_subjects: Sequence[str] | None = None,
    test_people: Sequence[str] = (),
) -> dict[str, list[int]]:
    """Sort clips into splits, by a hash of their subjects or as they are named.

    Args:
        subject_ids: the subject of every clip.
        fractions: shares of train, val and test, of the subjects.
        val_subjects: who is validated with; where this or ``test_subjects`` is given, nobody else
            is, everybody who is not named trains, and ``fractions`` are not used.
        test_subjects: who is tested with.
        test_people: whom the data keep for tests.  If there is somebody, they or those of them who
            are named are tested with and nobody else is; ``fractions`` then share out the others
            between train and val.

    Returns:
        For each split, the indices of its clips in order.

    Raises:
        ValueError: if somebody who is named has no clip, is named for two splits, or is kept for
            another.
    """
    if test_people:
        _check_kept(test_people, val_subjects, test_subjects)
        fractions = _without_test(fractions)
    named: dict[str, str] | None = None
    if val_subjects is not None or test_subjects is not None:
        named = {}
        for split, names in (("val", val_subjects), ("test", test_subjects)):
            for name in map(str, names or ()):
                if name not in subject_ids:
                    raise ValueError(
                        f"data.{split}_subjects: expected people of the data "
                        f"({shown(subject_ids)}), got {name!r}"
                    )
                if named.setdefault(name, split) != split:
                    raise ValueError(
                        f"data.val_subjects, data.test_subjects: {name!r} is in both; name "
                        "everybody for one split"
                    )
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    for index, subject in enumerate(subject_ids):
        if subject in test_people:
            if test_subjects is None or named is None or named.get(subject) == "test":
                splits["test"].append(index)
            continue
        split = split_of(subject, fractions) if named is None else named.get(subject, "train")
        splits[split].append(index)
    return splits


def _check_kept(
    kept: Sequence[str], val_subjects: Sequence[str] | None, test_subjects: Sequence[str] | None
) -> None:
    """Require that only those are tested with whom the data keep for it."""
    for split, names, right in (("val", val_subjects, False), ("test", test_subjects, True)):
        for name in map(str, names or ()):
            if (name in kept) != right:
                raise ValueError(
                    f"data.{split}_subjects: expected {'some' if right else 'none'} of the people "
                    f"whom the data keep for tests ({shown(kept, len(kept))}), got {name!r}"
                )


def _without_test(fractions: Sequence[float]) -> tuple[float, float, float]:
    """Return the shares of train and val among those who are not tested with."""
    train, val, _ = fractions
    whole = train + val
    return (train / whole, val / whole, 0.0) if whole > 0 else (1.0, 0.0, 0.0)


def split_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``split_indices`` that the settings ``data`` hold."""
    named = {name: data.get(name) for name in ("val_subjects", "test_subjects")}
    return {
        "fractions": [*data["fractions"]],
        **{name: None if people is None else [*people] for name, people in named.items()},
    }


def check_filled(
    indices: Mapping[str, Sequence[int]], subject_ids: Sequence[str], needed: Iterable[str]
) -> None:
    """Require somebody in each of the splits that are needed.

    Args:
        indices: of the clips, by split.
        subject_ids: the subject of every clip.
        needed: names of splits.

    Raises:
        ValueError: with settings that fill them, where there are people enough.
    """
    empty = [name for name in needed if not indices[name]]
    if not empty:
        return
    taken = {name: _people(indices[name], subject_ids) for name in SPLITS}
    count = len({name for names in taken.values() for name in names})
    told = f"data.fractions: none of the {count} people falls into {' or '.join(empty)}"
    if count < 2:
        raise ValueError(f"{told}; people to train and to test with are others: take more of them")
    raise ValueError(
        f"{told} (a hash of the name decides, unless you do); say who does, as {_remedy(taken)}, "
        "everybody else trains"
    )


def _remedy(taken: Mapping[str, Sequence[str]]) -> str:
    """Return settings that leave somebody to train, to test and, of three people, to validate."""
    people = [name for split in ("test", "val", "train") for name in taken[split]]
    # At least one each; the rest of those who fell into val and test stays there.
    test = people[: max(1, min(len(taken["test"]), len(people) - 2))]
    left = people[len(test) :]
    val = left[: max(1, min(len(taken["val"]), len(left) - 1))] if len(left) > 1 else []
    settings = (
        f"data.{split}_subjects={_hydra_list(names)}"
        for split, names in (("val", val), ("test", test))
    )
    return " ".join(map(shlex.quote, settings))


def _hydra_list(names: Sequence[str]) -> str:
    quoted = (name.replace("\\", "\\\\").replace("'", "\\'") for name in names)
    return "[" + ",".join(f"'{name}'" for name in quoted) + "]"


def _people(indices: Iterable[int], subject_ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(subject_ids[index] for index in indices))


def shown(subject_ids: Sequence[str], most: int = 8) -> str:
    """Return some of the subjects' names, for a message."""
    names = list(dict.fromkeys(subject_ids))
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def first_clips(
    indices: Sequence[int], subject_ids: Sequence[str], per_subject: int | None
) -> list[int]:
    """Keep at most ``per_subject`` clips of each subject, the first ones; None keeps all."""
    taken: Counter[str] = Counter()
    kept = []
    for index in indices:
        taken[subject_ids[index]] += 1
        if per_subject is None or taken[subject_ids[index]] <= per_subject:
            kept.append(index)
    return kept


def spread_clips(subject_ids: Sequence[str], most: int) -> list[int]:
    """Keep at most ``most`` clips, of as many subjects as possible: first everybody's first one.

    Returns:
        Their indices in order.
    """
    taken: Counter[str] = Counter()
    rounds = []
    for index, subject in enumerate(subject_ids):
        rounds.append((taken[subject], index))
        taken[subject] += 1
    return sorted(index for _, index in sorted(rounds)[:most])


def check_disjoint(subjects: dict[str, Iterable[str]]) -> None:
    """Require that no subject is in two splits.

    Raises:
        ValueError: with the subjects that are.
    """
    seen: dict[str, str] = {}
    for split, names in subjects.items():
        for name in set(names):
            if seen.setdefault(name, split) != split:
                raise ValueError(
                    f"subject {name!r} is in both {seen[name]} and {split}; "
                    "split by subject before anything else"
                )
