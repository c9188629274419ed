"""Argument checks that name the argument, what was expected and what was got.

Each check returns nothing and raises ``ValueError``; none repairs its input.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

MAX_NAME_BYTES = 200

# No side of a picture is longer.
MAX_PIXEL = 65_535


class WeightsNotPresentError(FileNotFoundError):
    """Weights that do not ship with diffmvr are not where they were looked for.

    The message reads ``weights not present: PATH; REMEDY``, the remedy being the exact command
    that brings them there.
    """


def check_shape(name: str, array: Any, shape: tuple[int | None, ...]) -> None:
    """Require ``array.shape`` to match ``shape``, where ``None`` stands for any size.

    Args:
        name: the argument's name, for the message.
        array: a NumPy array or a torch tensor.
        shape: the expected sizes.

    Raises:
        ValueError: if the number of dimensions or a fixed size differs.
    """
    got = tuple(array.shape)
    matches = len(got) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, got, strict=True)
    )
    if not matches:
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape ({expected}), got {got}")


def check_same_shape(name_a: str, a: Any, name_b: str, b: Any) -> None:
    """Require two arrays to have the same shape.

    Raises:
        ValueError: if the shapes differ; both are named.
    """
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"{name_a} and {name_b} must have the same shape, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def check_range(name: str, array: Any, low: float, high: float) -> None:
    """Require every value of ``array`` to lie in [low, high] (NaN does not).

    Raises:
        ValueError: with the minimum and maximum found.
    """
    smallest, largest = float(array.min()), float(array.max())
    if not (smallest >= low and largest <= high):
        raise ValueError(
            f"{name}: expected values in [{low:g}, {high:g}], got [{smallest:g}, {largest:g}]"
        )


def check_one_of(name: str, value: Any, allowed: Iterable[Any]) -> None:
    """Require ``value`` to be one of ``allowed``.

    Raises:
        ValueError: with the value and the choices.
    """
    choices = list(allowed)
    if value not in choices:
        raise ValueError(f"{name}: expected one of {choices}, got {value!r}")


def check_unique(name: str, values: Iterable[str]) -> None:
    """Require every value to be there once.

    Raises:
        ValueError: with the first that is there twice.
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{name}: {value!r} is there twice; leave one out or rename it")
        seen.add(value)


def check_count(name: str, value: Any, optional: bool = False) -> None:
    """Require a whole number of at least 1.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        optional: whether it may be ``None``.

    Raises:
        ValueError: with the value.
    """
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        or_null = ", or null" if optional else ""
        raise ValueError(f"{name}: expected a whole number of at least 1{or_null}, got {value!r}")


def check_box(name: str, box: Sequence[float]) -> None:
    """Require ``(x0, y0, x1, y1)`` in pixels with an area, within ``MAX_PIXEL`` of the frame.

    Raises:
        ValueError: with the box.
    """
    numbers = len(box) == 4 and all(abs(value) <= MAX_PIXEL for value in box)
    if not (numbers and box[0] < box[2] and box[1] < box[3]):
        raise ValueError(
            f"{name}: expected [x0, y0, x1, y1] in pixels, at most {MAX_PIXEL:,} from 0, with "
            f"x0 < x1 and y0 < y1, got {[float(value) for value in box]}"
        )


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Require a number in [low, high].

    Raises:
        ValueError: with the value and the bounds.
    """
    if not low <= value <= high:
        raise ValueError(f"{name}: expected a number in [{low:g}, {high:g}], got {value!r}")


def check_name(what: str, name: str) -> None:
    """Require a name that is one file's name on any system.

    Every name that is read from a file and becomes part of a path is checked with this first.

    Raises:
        ValueError: if it is empty, too long, hidden, or holds a character that paths do not take.
    """
    bad = any(c in '/\\:*?"<>|' or unicodedata.category(c) in ("Cc", "Cs") for c in name)
    if bad or not name or name != name.strip() or name[0] == "." or name[-1] == ".":
        raise ValueError(
            f"{what}: expected a plain name (no leading or trailing dot or space, none of "
            f'/ \\ : * ? " < > |), got {name!r}'
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"{what}: expected at most {MAX_NAME_BYTES} bytes, got {len(name.encode())} in {name!r}"
        )


def check_below(what: str, path: str) -> None:
    """Require a path that stays below the folder that it starts from.

    Raises:
        ValueError: if it is absolute or goes up with ``..``.
    """
    if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
        raise ValueError(f"{what}: expected a path below its folder (no .., not /…), got {path!r}")


def check_output_dir(name: str, path: Path, *ignored: str) -> None:
    """Require an output folder that is absent or empty, and that can be created.

    Args:
        name: the argument's name, for the message.
        path: the folder; it is created.
        ignored: names of what it may hold.

    Raises:
        ValueError: if it is a file, is not empty, or its parent cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{name}: {path} is a file; give the path of a folder")
    if path.is_dir() and any(entry.name not in ignored for entry in path.iterdir()):
        raise ValueError(
            f"{name}: {path} is not empty; give a new folder, so that nothing is overwritten"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".write-test"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(
            f"{name}: cannot write to {path} ({error.strerror}); give a folder you may write to"
        ) from error
