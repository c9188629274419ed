"""Settings of a network from its JSON file: every value of the kind that the network expects.

diffusers hands what the file says to constructors as it is; a text where a number belongs, or a
width of a billion, then fails deep inside a layer, or takes all memory.
"""

import json
import math
import reprlib
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST = 65_536
MOST_LAYERS = 256
"""Largest whole numbers in settings: of any kind, and where they count layers or blocks."""


def read_config(path: Path, settings: Any) -> dict[str, Any]:
    """Read a JSON file of settings.

    Args:
        path: the file, a JSON object.
        settings: the class that is built of it, its constructor annotated; keys that it does not
            know are not checked.  None leaves it at an object.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON object, or a value is of another kind; with file and key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, got something else ({error})") from error
    if settings is not None or not isinstance(content, dict):
        check_kinds(content, settings or dict, path)
    return dict(content)


def check_kinds(content: Any, settings: Any, source: object) -> None:
    """Require values of the kinds that a constructor names.

    Args:
        content: settings by name; keys that the constructor does not know are passed over.
        settings: a class; the annotations of its constructor say what is expected, and null is
            right where it is the default, whatever they say.
        source: where they are from, for the message.

    Raises:
        ValueError: with the first key whose value is of another kind.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{source}: expected settings by name, got {reprlib.repr(content)}")
    hints: dict[str, Any] = {"_class_name": str, **get_type_hints(settings.__init__)}
    defaults = {name: one.default for name, one in signature(settings).parameters.items()}
    for key, value in content.items():
        if key not in hints or (value is None and defaults.get(key, key) is None):
            continue
        most = MOST_LAYERS if _counts_layers(key) else LARGEST
        if not _fits(value, hints[key], most):
            raise ValueError(
                f"{source}: {key}: expected {_told(hints[key], most)}, got {reprlib.repr(value)}; "
                "take the file as it was saved with the weights"
            )


@contextmanager
def building(what: str, source: object) -> Iterator[None]:
    """Say in one line, with the file, that a network cannot be built of its settings.

    Args:
        what: the network's name.
        source: the file of its settings.

    Raises:
        ValueError: instead of whatever the constructor raises.
    """
    try:
        yield
    except Exception as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{source}: its settings make no {what}: {told}") from error


def _counts_layers(key: str) -> bool:
    return any(word in key for word in ("layers", "blocks", "depth")) and "channels" not in key


def _fits(value: Any, hint: Any, most: int) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one, most) for one in inner)
    if origin is Literal:
        return value in inner
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, Sequence) and kind is not str:
        # tuple[int] stands for any number of them in diffusers.
        kinds = [one for one in inner if one is not ...]
        return isinstance(value, list | tuple) and all(
            not kinds or any(_fits(one, kind, most) for kind in kinds) for one in value
        )
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and kind in (bool, Any)
    if kind is int:
        return isinstance(value, int) and 0 <= value <= most
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e30
    if kind in (str, dict, type(None)):
        return isinstance(value, kind)
    return kind is Any or not isinstance(kind, type)


def _told(hint: Any, most: int) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_told(one, most) for one in inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, Sequence) and kind is not str:
        parts = dict.fromkeys(_told(one, most) for one in inner if one is not ...)
        return f"a list of {' or '.join(parts)}" if parts else "a list"
    names = {
        int: f"a whole number from 0 to {most:,}",
        float: "a finite number",
        bool: "true or false",
        str: "a text",
        dict: "settings by name",
        type(None): "null",
    }
    return names.get(kind, str(hint))
