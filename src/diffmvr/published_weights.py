"""The list of weights that others have published, what brings them, and what is inside which file.

The weights that ship are listed in ``SHA256SUMS`` beside them, as ``sha256sum`` writes it.
"""

import functools
import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from diffmvr.config import weights_dir

LIST_FILE = "published.yaml"
SUMS_FILE = "SHA256SUMS"
COMMAND = "python -m diffmvr.weights"


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that a user may fetch; ``published.yaml`` explains the fields.

    Attributes:
        name: what ``python -m diffmvr.weights`` calls them.
    """

    name: str
    what: str
    licence: str
    size: str
    setting: str
    repository: str = ""
    files: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    url: str = ""
    file: str = ""
    folder: str = ""
    sha256: str = ""
    sha256_begins: str = ""
    md5: str = ""

    def __post_init__(self) -> None:
        if bool(self.repository) == bool(self.url):
            raise ValueError(f"{LIST_FILE}: {self.name}: expected a repository or a url")

    @property
    def place(self) -> Path:
        """Where a single file is looked for or put, relative to the folder of the command."""
        return Path(self.folder, self.file)

    @property
    def hub_folder(self) -> str:
        """Where files of the hub are put for another machine, relative to the folder."""
        return f"weights/{self.repository.rpartition('/')[2]}"

    def command(self, place: str | Path | None = None) -> str:
        """Return the command that fetches them without diffmvr.

        Args:
            place: the file, or for files of the hub a folder; ``None``: the file's own place, or
                the hub's cache.
        """
        if self.url:
            return f"curl -L -o '{place or self.place}' {shlex.quote(self.url)} --create-dirs"
        parts = [f"hf download {self.repository}"]
        parts += [f"--include '{pattern}'" for pattern in self.files]
        parts += [f"--exclude '{pattern}'" for pattern in self.excluded]
        return " ".join([*parts, *([] if place is None else [f"--local-dir '{place}'"])])

    def remedy(self, place: str | Path | None = None) -> str:
        """Return for a message how they come to be where they were looked for.

        Args:
            place: the file; ``None``: its own place.
        """
        return f"run `{self.command(place)}` ({COMMAND} where {self.name}: without a network)"

    def check(self, path: Path) -> str:
        """Require a file to be the published one, as far as its hash is known.

        Args:
            path: of the file.

        Returns:
            What was found, e.g. ``"SHA-256 as listed"``.

        Raises:
            ValueError: with both hashes, if they differ.
        """
        kind, make, expected = "SHA-256", hashlib.sha256, self.sha256 or self.sha256_begins
        if self.md5 and not expected:
            kind, make, expected = "MD5", partial(hashlib.md5, usedforsecurity=False), self.md5
        with path.open("rb") as file:
            got = hashlib.file_digest(file, make).hexdigest()
        if not expected:
            return f"SHA-256 {got}; none is known, so it is not checked"
        got = got[: len(expected)]
        if got != expected:
            raise ValueError(
                f"{path}: expected the {kind} {expected} of {self.name}, got {got}; the file "
                f"is damaged or another one, so fetch it again: `{self.command(path)}`"
            )
        return f"{kind} as listed"


@functools.cache
def published_weights() -> Mapping[str, PublishedWeights]:
    """Return the list, by name.

    Raises:
        ValueError: if the list is not what it must be.
    """
    content: dict[str, dict[str, Any]] = yaml.safe_load(
        (weights_dir() / LIST_FILE).read_text(encoding="utf-8")
    )
    known = {entry.name for entry in fields(PublishedWeights)}
    found = {}
    for name, entry in content.items():
        unknown = sorted(set(entry) - known)
        if unknown:
            raise ValueError(f"{LIST_FILE}: {name}: unknown {unknown}; known are {sorted(known)}")
        values = {key: tuple(v) if isinstance(v, list) else str(v) for key, v in entry.items()}
        found[name] = PublishedWeights(name=name, **values)  # type: ignore[arg-type]
    return MappingProxyType(found)


def named_in(message: str) -> PublishedWeights | None:
    """Return the weights that a message speaks of, by their repository or their file's name."""
    for one in published_weights().values():
        if (one.repository and one.repository in message) or (one.file and one.file in message):
            return one
    return None


_known: set[tuple[Path, int, int]] = set()


def check_known(path: Path) -> None:
    """Require a file that ships with the package, or has a published name, to be what it is called.

    A file is looked at once in a process, as long as it stays as it is; any other file passes.

    Args:
        path: the file.

    Raises:
        ValueError: with what was expected and what was found.
    """
    if not path.is_file():
        return
    found = path.resolve()
    facts = found.stat()
    state = (found, facts.st_size, facts.st_mtime_ns)
    if state in _known:
        return
    sums = weights_dir() / SUMS_FILE
    listed = _read_sums(sums, sums.stat().st_mtime_ns) if sums.is_file() else {}
    expected = listed.get(found)
    if expected is not None:
        with found.open("rb") as file:
            got = hashlib.file_digest(file, hashlib.sha256).hexdigest()
        if got != expected:
            raise ValueError(
                f"{path}: expected the SHA-256 {expected} of what ships with diffmvr, got {got}; "
                "the file is damaged or was replaced, so install diffmvr anew"
            )
    for one in published_weights().values():
        if one.file == path.name and (one.sha256 or one.sha256_begins or one.md5):
            one.check(path)
    _known.add(state)


@functools.cache
def _read_sums(path: Path, _changed: int) -> Mapping[Path, str]:
    """Return the SHA-256 of each file that ``SHA256SUMS`` lists."""
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(path.parent / name).resolve(): digest for digest, name in lines}
