"""A folder of people, each photographed with two expressions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffmvr.checks import check_name
from diffmvr.preprocessing.picture_folder import PICTURE_SUFFIXES

MOST_TEST_PEOPLE = 15
_SALT = "diffmvr-portraits-1"


def how_to_give(setting: str, what: str) -> str:
    """Return how commands are told a setting of portraits: it depends on what is set up."""
    joined = f"data.source.sources.portraits.{setting}={what}"
    return (
        f"give data.source.{setting}={what}, with data=joined {joined}, and pretrain either one "
        'without "data."'
    )


@dataclass(frozen=True)
class Pair:
    """The two pictures of a person.

    Attributes:
        person: their name, the part of the file names before the expression.
        neutral: file of the first expression.
        smiling: file of the second.
    """

    person: str
    neutral: Path
    smiling: Path


def find_pairs(folder: Path, expressions: Sequence[str] = ("neutral", "smiling")) -> list[Pair]:
    """Find the pairs of pictures of a folder, named PERSON_EXPRESSION.jpg (or .jpeg, .png).

    Args:
        folder: of the pictures; other files in it do not matter.
        expressions: what the two are called.

    Returns:
        The pairs, in the order of the people's names.

    Raises:
        FileNotFoundError: if there is no such folder, or a person has only one picture.
        ValueError: if there is no pair, a picture is there twice, or the expressions are not two.
    """
    if len(set(expressions)) != 2 or len(expressions) != 2:
        raise ValueError(
            f"expressions: expected two that differ, such as [neutral,smiling], got "
            f"{list(expressions)}"
        )
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder: there is no folder {folder}; {how_to_give('folder', 'FOLDER')}; its pictures "
            f"are named {_example(expressions)}"
        )
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.iterdir()):
        person, _, expression = file.stem.rpartition("_")
        suits = file.suffix.lower() in PICTURE_SUFFIXES and expression in expressions
        if not suits or file.name.startswith("."):
            continue
        check_name("folder", person)
        own = found.setdefault(person, {})
        if expression in own:
            raise ValueError(
                f"folder: {own[expression].name} and {file.name} are both {person}'s picture "
                f"called {expression}; leave one out"
            )
        own[expression] = file
    if not found:
        raise ValueError(
            f"folder: expected pairs of pictures named {_example(expressions)} in {folder}, got "
            "none"
        )
    for person, own in found.items():
        for expression in expressions:
            if expression not in own:
                raise FileNotFoundError(
                    f"folder: {folder} has no picture {person}_{expression} beside "
                    f"{next(iter(own.values())).name}; add it, or take the other out"
                )
    first, second = expressions
    return [Pair(person, own[first], own[second]) for person, own in sorted(found.items())]


def choose_test_people(people: Sequence[str], most: int = MOST_TEST_PEOPLE) -> tuple[str, ...]:
    """Return who is kept for tests: the 15 whose hash is smallest, a quarter of few people.

    It depends on the names alone: not on their order, on a seed or on a machine.  A person who is
    added takes the place of at most one other.

    Args:
        people: everybody's names.
        most: how many at most.

    Returns:
        Their names, sorted.
    """

    def rank(person: str) -> bytes:
        return hashlib.blake2b(f"{_SALT}:{person}".encode(), digest_size=8).digest()

    names = sorted(set(people))
    return tuple(sorted(sorted(names, key=rank)[: min(most, len(names) // 4)]))


def _example(expressions: Sequence[str]) -> str:
    return " and ".join(f"PERSON_{expression}.jpg" for expression in expressions)
