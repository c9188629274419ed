"""``store.json``: how a clip store was made."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from diffmvr.checks import check_number, check_one_of
from diffmvr.structures import CLEAR_THRESHOLD

FORMAT_VERSION = 1
INFO_NAME = "store.json"
IMAGE_SUFFIXES = (".png", ".jpg")


@dataclass(frozen=True)
class StoreInfo:
    """How every clip of a store was made.

    Attributes:
        size: side of the square pictures in pixels.
        clear_threshold: largest occluded share of the face box of an unobstructed frame
            (decisions 11).
        image_suffix: ``".png"`` keeps pictures bit for bit; ``".jpg"`` is smaller.
        settings: everything else that shapes the content, as JSON can hold it.
        weights: SHA-256 of each weights file that was used, by name.
        tools: version of each library that was used, by name; another version is no other store.
        version: of the format.
    """

    size: int
    clear_threshold: float = CLEAR_THRESHOLD
    image_suffix: str = ".png"
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        check_number("size", self.size, 1, 65535)
        check_number("clear_threshold", self.clear_threshold, 0.0, 1.0)
        check_one_of("image_suffix", self.image_suffix, IMAGE_SUFFIXES)
        check_one_of("version", self.version, [FORMAT_VERSION])
        for name in ("settings", "weights", "tools"):
            try:
                plain = json.loads(json.dumps(dict(getattr(self, name)), allow_nan=False))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: expected values that JSON can hold ({error})") from error
            object.__setattr__(self, name, plain)

    def to_json(self, **content: int) -> str:
        """Return the text of ``store.json``.

        Args:
            content: counts of what is in the store, for a reader's eye.
        """
        return json.dumps({**asdict(self), "content": content}, indent=2, ensure_ascii=False) + "\n"

    def differences(self, other: "StoreInfo") -> list[str]:
        """Say what differs from another store, tools aside: ``"size 64 is not 512"``."""
        found = []
        for name in ("size", "clear_threshold", "image_suffix"):
            found += _difference(name, getattr(self, name), getattr(other, name))
        for name in ("settings", "weights"):
            mine, theirs = getattr(self, name), getattr(other, name)
            for key in sorted({*mine, *theirs}):
                found += _difference(f"{name}.{key}", mine.get(key), theirs.get(key))
        return found


def read_info(root: Path) -> StoreInfo:
    """Read ``store.json``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not one, or of another version of the format.
    """
    path = root / INFO_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"root: {root} is no clip store: it holds no {INFO_NAME}; make one with "
            "python -m diffmvr.preprocess input=DIR_OR_VIDEO output=STORE"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.get("version") != FORMAT_VERSION:
            raise ValueError(
                f"the store has format {values.get('version')}, this is {FORMAT_VERSION}"
            )
        return StoreInfo(**{f.name: values[f.name] for f in fields(StoreInfo)})
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"root: {path} cannot be used ({error}); make the store anew") from error


def _difference(name: str, mine: Any, theirs: Any) -> list[str]:
    return [] if mine == theirs else [f"{name} {mine!r} is not {theirs!r}"]
