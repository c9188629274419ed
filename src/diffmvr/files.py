"""Files and folders that are whole or absent, and hashes of what they hold."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from diffmvr.checks import check_output_dir

STAGING_NAME = ".partial"


def below(root: Path, path: Path) -> Path:
    """Return a path, having shown that it lies below a folder, links followed.

    Whatever is written, moved or removed where a file's content says passes through here.

    Raises:
        ValueError: if it does not.
    """
    if root.resolve() not in path.resolve().parents:
        raise ValueError(
            f"{path}: expected a place below {root}, got {path.resolve()}; remove the name or the "
            "link that leads there"
        )
    return path


def write_at_once(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that it is whole or absent.

    Args:
        path: the file.
        write: writes the file whose path it is given.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        # A link that lies there would be written through.
        partial.unlink(missing_ok=True)
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> Path:
    """Write strict JSON (no NaN), whole or not at all, making the folder if needed."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_at_once(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return path


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ValueError: if the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error}); run it again") from error


@contextmanager
def staged_output(path: Path, name: str = "output") -> Iterator[Path]:
    """Lend a folder to write into; what is in it appears under ``path`` only if all went well.

    The staging folder ``path/.partial`` is on the same file system as the result, so that each
    file or folder is moved in one step.  After an error it is removed, and so is every folder
    that was created for it.

    Args:
        path: the output folder, absent or empty.
        name: the argument's name, for messages.

    Raises:
        ValueError: if ``path`` is a file, is not empty or cannot be written, or another run is at
            work in it or was killed there.
    """
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    staging = path / STAGING_NAME
    if staging.is_dir():
        raise ValueError(
            f"{name}: {path} holds {STAGING_NAME}, of a run that is at work there or was killed; "
            "give a new folder, or remove this one"
        )
    try:
        check_output_dir(name, path)
        staging.mkdir()
        try:
            yield staging
            for entry in sorted(staging.iterdir()):
                entry.rename(path / entry.name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()
        raise


def hash_files(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder in the order of their names.

    A folder's model card (``.md``) does not count.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix != ".md")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as reader:
            hashlib.file_digest(reader, lambda: digest)
    return digest.hexdigest()
