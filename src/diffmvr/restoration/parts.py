"""Restored frames of a stretch of a recording as one file, whole or absent.

Of each frame it holds the record, the filled-in pixels and how sure each is: that is all that a
restored frame has beyond the one that was read.  The file is a ZIP archive, so that damage shows in
its checksums.
"""

import json
import os
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.doubt.judgement import FrameDoubt
from diffmvr.restoration.report import FrameRecord, ReferenceRecord, RestoredFrame
from diffmvr.structures import UInt8Array

RECORDS = "records.json"

DOUBT = "{}.doubt"

Part = dict[int, tuple[FrameRecord, bytes, bytes]]
"""The records, packed pixels and packed maps of doubt of frames, by their numbers."""


class PartWriter:
    """Writes a part beside its place; ``finish`` moves it there.

    Args:
        path: where it is written; a file that lies there is replaced.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._records: list[FrameRecord] = []
        self._archive = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._path.stat().st_size

    def add(self, frame: RestoredFrame) -> None:
        """Append a frame."""
        self._records.append(frame.record)
        if frame.record.restored:
            pixels = pack(frame.restored.image, frame.mask)
            self._archive.writestr(str(frame.record.index), pixels)
        if frame.doubt is not None:
            self._archive.writestr(DOUBT.format(frame.record.index), frame.doubt.to_bytes())

    def finish(self) -> Path:
        """Close the file and give it its name, the numbers of its first and last frame."""
        rows = json.dumps([asdict(record) for record in self._records])
        self._archive.writestr(RECORDS, rows, zipfile.ZIP_DEFLATED)
        self._archive.close()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        first, last = self._records[0].index, self._records[-1].index
        return self._path.rename(self._path.with_name(f"{first:09d}-{last:09d}.zip"))

    def discard(self) -> None:
        """Close and remove the file."""
        self._archive.close()
        self._path.unlink(missing_ok=True)


def read_part(path: Path) -> Part:
    """Read a part.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            records = [_record(row) for row in json.loads(archive.read(RECORDS))]
            names = set(archive.namelist())
            doubts = {one.index: DOUBT.format(one.index) for one in records}
            return {
                one.index: (
                    one,
                    archive.read(str(one.index)) if one.restored else b"",
                    archive.read(doubts[one.index]) if doubts[one.index] in names else b"",
                )
                for one in records
            }
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error


def pack(image: UInt8Array, mask: UInt8Array) -> bytes:
    """Return the hidden pixels of ``[H, W, 3]`` uint8, each as the step from the one before."""
    steps = np.diff(image[mask != 0], axis=0, prepend=np.zeros((1, 3), np.uint8))
    return zlib.compress(steps.tobytes(), level=1)


def unpack(data: bytes, image: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Return ``image`` with its hidden pixels replaced.

    Raises:
        ValueError: if the data are not those of as many pixels.
    """
    hidden = mask != 0
    expected = 3 * int(np.count_nonzero(hidden))
    try:
        unpacked = zlib.decompressobj().decompress(data, expected + 1)
    except zlib.error as error:
        raise ValueError(f"pixels that cannot be unpacked ({error})") from error
    if len(unpacked) != expected:
        raise ValueError(f"expected {expected} bytes of pixels, got {len(unpacked)} or more")
    steps = np.frombuffer(unpacked, np.uint8).reshape(-1, 3)
    filled = image.copy()
    filled[hidden] = np.cumsum(steps, axis=0, dtype=np.uint8)
    return filled


def _record(row: dict[str, Any]) -> FrameRecord:
    """Build a record from its JSON, in which a tuple is a list."""
    squares = {name: tuple(row[name]) for name in ("crop", "region")}
    references = tuple(ReferenceRecord(**one) for one in row["references"])
    doubt = row["doubt"]
    if doubt is not None:
        lists = {name: tuple(one) for name, one in doubt.items() if isinstance(one, list)}
        doubt = FrameDoubt(**{**doubt, **lists})
    return FrameRecord(**{**row, **squares, "references": references, "doubt": doubt})
