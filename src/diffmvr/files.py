"""Files and folders that are whole or absent, and hashes of what they hold.

What is under way lies in a *work folder* that one process holds by a lock.  The lock dies with the
process, on whatever machine it ran, so that what a killed run left is told from what another run
is writing: the first is cleared, the second is left alone.
"""

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from diffmvr.checks import check_output_dir

STAGING_NAME = ".partial"
LOCK_NAME = ".lock"
# Who holds a work folder; what is made there; what it is to replace.
OWNER_NAME, NEW_NAME, OLD_NAME = "job.txt", "new", "old"
# What an interrupted run leaves for the next one to go on with.
KEPT_NAME = "kept"
# A work folder's last owner may be just about to remove it.
LOCK_SECONDS = 0.2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class BusyError(ValueError):
    """Another job is at work there."""


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


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8, whole or not at all."""
    write_at_once(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return path


def write_json(path: Path, content: Any) -> Path:
    """Write strict JSON (no NaN), whole or not at all, making the folder if needed."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, text)


def write_rows(
    path: Path, head: Mapping[str, Any], key: str, rows: Iterable[Mapping[str, Any]]
) -> Path:
    """Write strict JSON whose last value is a long list of rows, one a line, whole or not at all.

    Args:
        path: the file.
        head: what comes before the rows; not empty.
        key: of the rows.
        rows: the rows.
    """
    begin = json.dumps(dict(head), indent=2, allow_nan=False, ensure_ascii=False)
    lines = ",\n    ".join(json.dumps(row, allow_nan=False, ensure_ascii=False) for row in rows)
    text = f'{begin.removesuffix("}").rstrip()},\n  "{key}": [\n    {lines}\n  ]\n}}\n'
    return write_text(path, text)


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
def staged_output(path: Path, name: str = "output", goes_on: bool = False) -> Iterator[Path]:
    """Lend a folder to write into; what is in it appears under ``path`` only if all went well.

    The folder lies in ``path/.partial``, on the same file system as the result, so that each file
    or folder is moved in one step.  After an error it is removed, and so is every folder that was
    created for it.

    Args:
        path: the output folder, absent or empty but for what a killed run left.
        name: the argument's name, for messages.
        goes_on: whether a folder ``KEPT_NAME`` beside the one that is lent stays until a run
            succeeds; see ``hold_folder``.

    Raises:
        BusyError: if another run is at work in ``path``.
        ValueError: if ``path`` is a file, is not empty or cannot be written.
    """
    work = path / STAGING_NAME
    with _without_new_folders(path):
        check_output_dir(name, path, STAGING_NAME)
        with hold_folder(work, f"{name}: {path}", KEPT_NAME if goes_on else None):
            # Another run may have ended since.
            check_output_dir(name, path, STAGING_NAME)
            staging = empty_folder(work / NEW_NAME)
            yield staging
            for entry in sorted(staging.iterdir()):
                entry.rename(path / entry.name)


@contextmanager
def replace_folder(folder: Path, name: str = "output", overwrite: bool = True) -> Iterator[Path]:
    """Lend a folder to write into; it takes the place of ``folder`` if all went well.

    It lies beside ``folder``, in ``.NAME.partial``.  After an error ``folder`` is as it was, and
    every folder that was created for it is removed; after a kill the next call brings it back.

    Args:
        folder: is replaced, or made.
        name: the argument's name, for messages.
        overwrite: whether ``folder`` may hold something.

    Raises:
        BusyError: if another run is about to replace ``folder``.
        ValueError: if it cannot be written, or is not to be written over.
    """
    work = folder.with_name(f".{folder.name}{STAGING_NAME}")
    old = work / OLD_NAME
    with _without_new_folders(folder), hold_folder(work, f"{name}: {folder}"):
        _put_back(old, folder)
        if not overwrite:
            check_output_dir(name, folder)
        new = empty_folder(work / NEW_NAME)
        try:
            yield new
            if os.path.lexists(folder):
                remove(old)
                folder.rename(old)
            new.rename(folder)
        finally:
            _put_back(old, folder)


@contextmanager
def hold_folder(work: Path, what: str, lasting: str | None = None) -> Iterator[None]:
    """Hold a work folder for this process alone; it is removed at the end.

    Args:
        work: is made if it is absent; what a killed run left in it stays, for the caller to use
            or to remove.
        what: is written, for the message: an argument's name and a path.
        lasting: name of what stays in it where the block is broken off.  After a ``ValueError``,
            a mistake with which nobody goes on, only what was found there stays.

    Raises:
        BusyError: if another process holds it, with what is known of that one.
        ValueError: if it is a link: what it leads to is not this program's to remove.
    """
    lock = _lock(work, what)
    stays, found = [LOCK_NAME], lasting is not None and (work / lasting).exists()
    try:
        host, now = platform.node(), datetime.now().astimezone().isoformat(" ", "seconds")
        owner = f"process {os.getpid()} on {host}, since {now}"
        (work / OWNER_NAME).write_text(owner, encoding="utf-8")
        yield
    except BaseException as error:
        if lasting is not None and (found or not isinstance(error, ValueError)):
            stays.append(lasting)
        raise
    finally:
        # The lock last: until then nobody else begins here.
        with suppress(OSError):
            for entry in [*work.iterdir()]:
                if entry.name not in stays:
                    remove(entry)
            (work / LOCK_NAME).unlink()
        lock.release()
        with suppress(OSError):
            work.rmdir()


def _lock(work: Path, what: str) -> FileLock:
    if work.is_symlink():
        raise ValueError(f"{what}: {work.name} is a link, expected a folder; remove the link")
    lock = FileLock(work / LOCK_NAME)
    while True:
        try:
            work.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise BusyError(
                f"{what} is being written by another job ({owner_of(work)}); wait for it, stop it, "
                "or give another folder"
            ) from None
        except FileNotFoundError:
            # Its last owner has removed it.
            continue
        except OSError as error:
            if error.errno in DISK_FULL:
                raise
            raise ValueError(
                f"{what} cannot be written ({error.strerror}); give a folder you may write to"
            ) from error
        return lock


def owner_of(work: Path) -> str:
    """Return what is known of the process that holds a work folder."""
    try:
        return (work / OWNER_NAME).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "which has just begun"


@contextmanager
def _without_new_folders(path: Path) -> Iterator[None]:
    """After an error, remove the folders that were created on the way to ``path``."""
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()
        raise


def empty_folder(folder: Path) -> Path:
    """Make a folder, in place of what lies there; a link is replaced, not what it leads to."""
    remove(folder)
    folder.mkdir()
    return folder


def _put_back(old: Path, folder: Path) -> None:
    if os.path.lexists(old) and not os.path.lexists(folder):
        old.rename(folder)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
