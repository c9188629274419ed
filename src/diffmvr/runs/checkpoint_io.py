"""Checkpoints that are whole or absent, and that tell when they were damaged.

``torch.load`` does not notice a flipped bit in a tensor.  So every checkpoint carries its own
SHA-256, in the *comment* of the zip archive that ``torch.save`` writes:

- a file beside it can be lost, or be left with another checkpoint of the same name;
- bytes before or after the archive, or an envelope around it, make it a file of this project alone;
- a zip comment belongs to the archive, so ``torch.load(path, weights_only=True)`` reads the file as
  it is, and so does every tool that reads checkpoints.

Every byte counts: those of the archive are digested, and those of the comment must be exactly what
follows from them.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from diffmvr.tensor_files import without_prefixes
from diffmvr.text import first_line

log = logging.getLogger(__name__)

PARTIAL = ".partial"
HALF_WRITTEN = f"*.ckpt{PARTIAL}"
LABEL = b"sha256:"
# The last field of a zip archive is the length of its comment, 0 as torch.save leaves it.
NO_COMMENT = struct.pack("<H", 0)
TAIL_BYTES = len(NO_COMMENT) + len(LABEL) + 2 * hashlib.sha256().digest_size


class DamagedCheckpointError(ValueError):
    """A checkpoint that is not what was written."""


class VerifiedCheckpointIO(CheckpointIO):
    """Writes checkpoints beside their place and moves them there; checks what it loads.

    A kill at any moment, or a power cut, leaves the old file or the new one.  Nothing is held in
    memory a second time.  Local files only.

    Args:
        folders: the run's own, the only ones that a checkpoint is removed from: which one to remove
            Lightning knows from the checkpoint that it went on from, and anyone may have made that.
            None: from any folder.
    """

    def __init__(self, folders: Iterable[str | Path] | None = None) -> None:
        self._folders = None if folders is None else {Path(one).resolve() for one in folders}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: tensors, numbers, strings and plain containers.
            path: where to; what an earlier kill left half-written beside it is removed.
            storage_options: not used.
        """
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        for left in place.parent.glob(HALF_WRITTEN):
            left.unlink(missing_ok=True)
        partial = place.with_name(place.name + PARTIAL)
        try:
            with partial.open("wb") as file:
                writer: Any = _DigestingWriter(file)
                torch.save(checkpoint, writer)
                file.seek(-len(NO_COMMENT), os.SEEK_END)
                file.write(_tail(writer.sha256.hexdigest()))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(place.parent)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = lambda storage, _: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Check a checkpoint and load it.

        Args:
            path: the file.
            map_location: as in ``torch.load``; by default everything stays on the CPU.
            weights_only: a pickle is never loaded, so False is an error.

        Raises:
            FileNotFoundError: if it is absent.
            DamagedCheckpointError: if it is damaged, or no checkpoint.
            ValueError: if ``weights_only`` is False.
        """
        if weights_only is False:
            raise ValueError(
                "weights_only: expected True, got False; a pickle can run any program, so "
                "checkpoints hold tensors and plain containers only"
            )
        return read_checkpoint(Path(path), map_location)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint of the run's own folder, if it is there; any other is named."""
        place = Path(path)
        own = self._folders is None or place.parent.resolve() in self._folders
        if not own or place.suffix != ".ckpt":
            log.warning("%s is no checkpoint of this run's folder, and is not removed", place)
            return
        place.unlink(missing_ok=True)


def read_checkpoint(
    path: Path, map_location: Any | None = "cpu", *, mmap: bool = False
) -> dict[str, Any]:
    """Check a checkpoint and load it, without running anything that it may hold.

    Args:
        path: the file.
        map_location: as in ``torch.load``.
        mmap: read tensors only when they are used.

    Returns:
        Its content; weights are under their own names, also where they were saved in a wrapper.

    Raises:
        FileNotFoundError: if it is absent.
        DamagedCheckpointError: if it is damaged, or no checkpoint.
    """
    verify_checkpoint(path)
    try:
        content = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise DamagedCheckpointError(f"{path}: not a checkpoint: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint: it holds a {type(content).__name__}, not a dict"
        )
    if isinstance(content.get("state_dict"), dict):
        content["state_dict"] = without_prefixes(content["state_dict"], path)
    return content


def verify_checkpoint(path: Path) -> None:
    """Require a file to be, byte for byte, a checkpoint that was written whole.

    A file that another program wrote by ``torch.save`` has no SHA-256; then the archive's own
    CRC-32s are checked, which leave its directory out, and this is said.

    Raises:
        FileNotFoundError: if it is absent.
        DamagedCheckpointError: if it is damaged, or no archive at all.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    size = path.stat().st_size
    with path.open("rb") as file:
        if size > TAIL_BYTES:
            digest = _digest(file, size - TAIL_BYTES)
            if file.read() == _tail(digest):
                return
        if not _ends_without_comment(file, size):
            raise DamagedCheckpointError(
                f"{path}: damaged, or no checkpoint: its {size:,} bytes do not end in their SHA-256"
            )
        try:
            with zipfile.ZipFile(file) as archive:
                broken = archive.testzip()
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
            raise DamagedCheckpointError(
                f"{path}: damaged, or no checkpoint: {first_line(error)}"
            ) from error
    if broken is not None:
        raise DamagedCheckpointError(f"{path}: damaged: {broken} does not have its CRC-32")
    log.warning("%s: carries no SHA-256, so only its CRC-32s could be checked", path)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint of a folder that is whole; None if it holds none.

    A damaged one is passed over, and a warning says so.

    Raises:
        DamagedCheckpointError: if all of them are damaged.
    """
    files = sorted(folder.glob("*.ckpt"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for file in files:
        try:
            verify_checkpoint(file)
        except DamagedCheckpointError as error:
            log.warning("%s; taking the one before", error)
        else:
            return file
    if files:
        raise DamagedCheckpointError(
            f"{folder}: every checkpoint in it is damaged ({', '.join(f.name for f in files)}); "
            "remove the folder to begin the run anew"
        )
    return None


class _DigestingWriter:
    """A file that is digested while it is written, so that it need not be read again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _tail(digest: str) -> bytes:
    """Return the end of a file whose archive, without a comment, has a digest."""
    comment = LABEL + digest.encode()
    return struct.pack("<H", len(comment)) + comment


def _digest(file: IO[bytes], length: int, chunk: int = 1 << 22) -> str:
    """Digest the first ``length`` bytes as the end of an archive without a comment."""
    sha256 = hashlib.sha256()
    while length > 0 and (data := file.read(min(chunk, length))):
        sha256.update(data)
        length -= len(data)
    sha256.update(NO_COMMENT)
    return sha256.hexdigest()


def _ends_without_comment(file: IO[bytes], size: int) -> bool:
    """Return whether a file ends as an archive does that never had a comment."""
    end = struct.Struct("<4s4H2LH")
    if size < end.size:
        return False
    file.seek(size - end.size)
    fields = end.unpack(file.read())
    return bool(fields[0] == b"PK\x05\x06" and fields[-1] == 0)


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
