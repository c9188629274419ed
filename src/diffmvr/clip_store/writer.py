"""Write a clip store, recording by recording: each is there as a whole or not at all.

A recording is written into a folder of its own under ``.staging``.  To commit it, its clips are
moved into place and then its part of the manifest; until that last step the recording counts as
absent.  Commits of several processes take turns by a lock on the store.  What a killed process
left behind is told by its lock, which dies with it, and is removed when the store is next opened.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from diffmvr.checks import check_name
from diffmvr.clip_store.info import INFO_NAME, StoreInfo, read_info
from diffmvr.clip_store.layout import (
    FAILED_NAME,
    IMAGES,
    LOCK_NAME,
    MANIFEST_NAME,
    MASKS,
    PARTS,
    STAGING,
    part_path,
)
from diffmvr.clip_store.manifest import manifest_frame, read_manifest
from diffmvr.clip_store.recording_writer import RecordingWriter
from diffmvr.files import below, read_json, write_json, write_text
from diffmvr.table_io import write_table

log = logging.getLogger(__name__)


class StoreBusyError(OSError):
    """Another process is writing the same recording."""


class ClipStoreWriter:
    """Creates a store, or adds recordings to one that was made with the same settings.

    It can be pickled; each worker process may use a copy or make its own.  Spawn the workers:
    polars, which writes the manifest, may hang in a process forked after its first use.

    Args:
        root: the store's folder: absent, empty, or a store.
        info: how its clips are made.

    Raises:
        ValueError: if the folder is something else, or a store made with other settings, or holds a
            name or a link that leads out of it.
    """

    def __init__(self, root: Path, info: StoreInfo) -> None:
        self.root = Path(root)
        self.info = info
        self._check_folder()
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock():
            self._remove_leftovers()
            # Other settings may be tried where nothing has come of these.
            if (self.root / INFO_NAME).exists() and self._is_begun():
                existing = read_info(self.root)
                self._check_info(existing)
                if existing.tools != info.tools:
                    was, now = existing.tools, info.tools
                    log.warning("%s was begun with %s; it goes on with %s", self.root, was, now)
            else:
                self._write_info()
            # Not before: without the file another process takes them for a stranger's.
            for folder in (IMAGES, MASKS, PARTS):
                self._own(folder).mkdir(exist_ok=True)

    def is_complete(self, recording: str) -> bool:
        """Tell whether a recording is in the store as a whole."""
        return part_path(self.root, recording).is_file()

    @contextmanager
    def recording(self, name: str) -> Iterator[RecordingWriter]:
        """Write one recording; it is in the store when the block ends without an error.

        Args:
            name: of the recording, unique in the store.

        Raises:
            ValueError: if the store has it already, no frame was added, or a clip's name is taken.
            StoreBusyError: if another process is writing it.
            OSError: if something cannot be written.
        """
        check_name("recording", name)
        staging = self._own(STAGING, name)
        lock = FileLock(self._own(STAGING, name, LOCK_NAME))
        with self._lock():
            self._check_info(read_info(self.root))
            if self.is_complete(name):
                raise ValueError(f"recording: {name!r} is already in {self.root}; skip it")
            staging.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                raise StoreBusyError(
                    f"recording: {name!r} is being written to {self.root} by another process; "
                    "wait for it, or stop it"
                ) from error
            self._empty(staging)
        try:
            out = RecordingWriter(staging, self.info, name)
            yield out
            with self._lock():
                self._commit(out, staging)
        finally:
            with self._lock():
                lock.release()
                self._discard(staging)

    def note_failures(self, failed: Mapping[str, str]) -> None:
        """Keep in ``failed.json`` why recordings are not in the store, as long as they are not.

        Args:
            failed: reasons by recording; they are added to those of other runs.
        """
        with self._lock():
            path = self._own(FAILED_NAME)
            before = read_json(path) if path.is_file() else {}
            noted = {
                name: reason
                for name, reason in {**before, **failed}.items()
                # A name of another run's is a stranger's.
                if name in failed or not self._own(PARTS, f"{name}.parquet").is_file()
            }
            if noted:
                write_json(path, noted)
            else:
                path.unlink(missing_ok=True)

    def finish(self) -> pl.DataFrame:
        """Merge the recordings that are complete into ``manifest.parquet``.

        Returns:
            The manifest.
        """
        with self._lock():
            parts = sorted((self.root / PARTS).glob("*.parquet"))
            read = [read_manifest(path, path.stem) for path in parts]
            manifest = pl.concat([manifest_frame(), *read])
            write_table(manifest, self.root / MANIFEST_NAME)
            kept = manifest.filter(pl.col("frame").is_not_null())
            self._write_info(
                recordings=len(parts),
                subjects=manifest["subject"].n_unique(),
                clips=kept["clip"].n_unique(),
                frames=len(kept),
                skipped=len(manifest) - len(kept),
            )
            self._remove_leftovers()
        return manifest

    def _own(self, *parts: str) -> Path:
        """Return a path that is shown to lie in the store."""
        return below(self.root, self.root.joinpath(*parts))

    def _is_begun(self) -> bool:
        return any((self.root / PARTS).glob("*.parquet")) or any((self.root / STAGING).glob("*"))

    def _lock(self) -> FileLock:
        return FileLock(self._own(LOCK_NAME))

    def _check_folder(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise ValueError(f"output: {self.root} is a file; give the path of a folder")
        if not self.root.is_dir() or (self.root / INFO_NAME).exists():
            return
        strangers = sorted(
            entry.name
            for entry in self.root.iterdir()
            if entry.name != LOCK_NAME and not entry.name.startswith(f".{INFO_NAME}.")
        )
        if strangers:
            raise ValueError(
                f"output: {self.root} is not empty and no clip store (it holds {strangers[0]!r}); "
                "give a new folder, or a store to add to"
            )

    def _check_info(self, existing: StoreInfo) -> None:
        differences = self.info.differences(existing)
        if differences:
            raise ValueError(
                f"output: {self.root} is a store made with other settings: "
                f"{'; '.join(differences)}; use the same ones, or give a new folder"
            )

    def _write_info(self, **content: int) -> None:
        write_text(self.root / INFO_NAME, self.info.to_json(**content))

    def _commit(self, out: RecordingWriter, staging: Path) -> None:
        """Move a recording into place; under the store's lock."""
        manifest = out.manifest()
        if manifest.is_empty():
            raise ValueError(
                f"recording: no frame of {out.recording!r} was added; put a row with a "
                "skip_reason on record if there is none"
            )
        # A killed commit is taken back before its clips' names can be given away.
        self._remove_leftovers()
        taken = {path.name.casefold() for path in (self.root / IMAGES).iterdir()}
        clash = [clip for clip in out.clips if clip.casefold() in taken]
        if clash:
            raise ValueError(
                f"clip: {clash[0]!r} of recording {out.recording!r} is already in {self.root} "
                "from another recording; rename one of the two recordings"
            )
        # From here on the staged manifest tells which clips to take back after a kill.
        journal = staging / MANIFEST_NAME
        write_table(manifest, journal)
        for clip in out.clips:
            for kind in (MASKS, IMAGES):
                (staging / kind / clip).rename(self._own(kind, clip))
        journal.rename(below(self.root, part_path(self.root, out.recording)))

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left; under the store's lock."""
        for left in sorted((self.root / STAGING).glob("*")):
            staging = self._own(STAGING, left.name)
            lock = FileLock(self._own(STAGING, left.name, LOCK_NAME))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            log.info("recording %s was not finished; what is left of it is removed", staging.name)
            lock.release()
            self._discard(staging)

    def _discard(self, staging: Path) -> None:
        self._empty(staging)
        shutil.rmtree(staging, ignore_errors=True)

    def _empty(self, staging: Path) -> None:
        """Take back a commit that broke off, and remove all staged files but the lock."""
        journal = staging / MANIFEST_NAME
        if journal.is_file():
            clips = read_manifest(journal, staging.name).drop_nulls(["clip", "frame"])["clip"]
            for clip in clips.unique():
                for kind in (MASKS, IMAGES):
                    shutil.rmtree(self._own(kind, clip), ignore_errors=True)
            journal.unlink()
        for kind in (MASKS, IMAGES):
            shutil.rmtree(self._own(STAGING, staging.name, kind), ignore_errors=True)
