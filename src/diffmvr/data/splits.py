"""Train, validation and test by subject, so that nobody is on both sides (decisions 15)."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

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
    subject_ids: Sequence[str], fractions: Sequence[float] = (0.7, 0.1, 0.2)
) -> dict[str, list[int]]:
    """Sort clips into splits.

    Args:
        subject_ids: the subject of every clip.
        fractions: shares of train, val and test, of the subjects.

    Returns:
        For each split, the indices of its clips in order.
    """
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    for index, subject in enumerate(subject_ids):
        splits[split_of(subject, fractions)].append(index)
    return splits


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
