"""What an interrupted restoration had done, kept for the next call of the same command.

The next call reads the recording from its beginning all the same, and finds the faces in it, so
that whatever leads later frames is what it was.  The frames that are kept do not go through the
model again, nor is anything carried to them.
"""

import json
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from diffmvr.doubt.judgement import DoubtMap
from diffmvr.files import DISK_FULL, empty_folder, read_json, write_json
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.restoration.parts import Part, PartWriter, read_part, unpack
from diffmvr.restoration.report import FrameRecord, RestoredFrame, Result
from diffmvr.structures import UInt8Array

log = logging.getLogger(__name__)

PART_FRAMES = 128
"""A part ends at the end of a window, after at least so many frames."""

FACTS_FILE, UNFINISHED = "facts.json", "unfinished"
MEBIBYTE = 2**20


class KeptFrames:
    """Frames that an earlier call has restored, and those that this one restores.

    A context manager.  After an interruption it says what is kept; whoever lends the folder removes
    it when the restoration is finished.

    Args:
        folder: where they lie; ``None`` keeps nothing.
        facts: what the restored frames depend on, by name.  Frames made from other facts are not
            used, and give way to the first part of this call.
        limit: bytes that are kept at most; 0 keeps nothing.

    Attributes:
        used: how many frames of an earlier call were taken.
    """

    def __init__(
        self,
        folder: Path | None = None,
        facts: Mapping[str, Any] | None = None,
        limit: int = 0,
    ) -> None:
        self.used = 0
        self._said: list[str] = []
        self._folder = folder or Path()
        self._facts = json.loads(json.dumps(dict(facts or {})))
        self._limit = limit if folder is not None else 0
        self._is_ours = self._found = False
        self._size = 0
        self._parts: deque[Path] = deque()
        self._part: Part = {}
        self._writer: PartWriter | None = None
        if self._limit:
            self._find()

    @property
    def notes(self) -> list[str]:
        """What the reader of a report should know."""
        if not self.used:
            return self._said
        return [*self._said, f"an interrupted call went on after its first {self.used} frames"]

    def recall(
        self, window: Sequence[tuple[Frame, UInt8Array]], planned: Sequence[FrameRecord]
    ) -> list[Result] | None:
        """Return a window as it was restored, with its records; ``None`` if that is not kept.

        Args:
            window: frames and their masks.
            planned: what the records say before anything is restored.
        """
        if not self._parts:
            return None
        try:
            self._part = self._part or read_part(self._parts[0])
            pairs = zip(window, planned, strict=True)
            recalled = [self._take(frame, mask, record) for (frame, mask), record in pairs]
        except ValueError as error:
            self._drop(str(error))
            return None
        if not self._part:
            self._parts.popleft()
        self.used += len(recalled)
        return recalled

    def note(self, frame: RestoredFrame) -> None:
        """Keep a frame that was restored now, as soon as its part has ended."""
        if not self._limit:
            return
        try:
            self._writer = self._writer or self._begin_part()
            self._writer.add(frame)
            if self._size + self._writer.size > self._limit:
                self._keep_no_more(f"they have reached {self._limit / MEBIBYTE:.0f} MiB")
        except OSError as error:
            self._keep_no_more_if_full(error)

    def end_part(self) -> None:
        """Make a part of the frames since the last one."""
        try:
            if self._writer is not None:
                self._size += self._writer.finish().stat().st_size
        except OSError as error:
            self._keep_no_more_if_full(error)
        self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.discard()
        if not self._is_ours:
            return
        if not self._size:
            empty_folder(self._folder).rmdir()
        elif error is not None and (self._found or not isinstance(error, ValueError)):
            log.warning(
                "what is restored is kept in %s (%.1f MiB): the same command goes on from there; "
                "remove that folder to begin anew",
                self._folder,
                self._size / MEBIBYTE,
            )

    def _find(self) -> None:
        """Look for what an earlier call has left, and whether it was made from the same facts."""
        file = self._folder / FACTS_FILE
        if self._folder.is_symlink() or not file.is_file():
            return
        before: Any = read_json(file)
        changed = sorted(
            name
            for name in self._facts.keys() | before
            if self._facts.get(name) != before.get(name)
        )
        if changed:
            self._say(
                "frames that an interrupted call has left are not used, since they were made with "
                f"another {', another '.join(changed)}"
            )
            return
        self._is_ours = self._found = True
        self._parts = deque(sorted(self._folder.glob("*-*.zip")))
        self._size = sum(part.stat().st_size for part in self._parts)

    def _take(self, frame: Frame, mask: UInt8Array, planned: FrameRecord) -> Result:
        if frame.index not in self._part:
            raise ValueError(f"frame {frame.index} is not where it was")
        record, data, doubt = self._part.pop(frame.index)
        if record.as_planned() != planned:
            raise ValueError(f"frame {frame.index} is laid out in another way now")
        if not record.restored:
            return Result(frame, record)
        image = unpack(data, frame.image, mask)
        said = DoubtMap.from_bytes(doubt) if doubt else None
        return Result(replace(frame, image=image), record, said)

    def _drop(self, why: str) -> None:
        """Use no more of what an earlier call has left."""
        self._say(f"of what an interrupted call has left, {self.used} frames are used: {why}")
        for part in self._parts:
            self._size -= part.stat().st_size
            part.unlink()
        self._parts.clear()
        self._part = {}

    def _begin_part(self) -> PartWriter:
        if not self._is_ours:
            empty_folder(self._folder)
            write_json(self._folder / FACTS_FILE, self._facts)
            self._is_ours = True
        return PartWriter(self._folder / UNFINISHED)

    def _keep_no_more(self, why: str) -> None:
        if self._writer is not None:
            self._writer.discard()
        self._writer, self._limit = None, 0
        log.warning(
            "from here on, restored frames are not kept for the case of an interruption: %s", why
        )

    def _keep_no_more_if_full(self, error: OSError) -> None:
        """Leave what is left of a full disk to the result."""
        if error.errno not in DISK_FULL:
            raise error
        self._keep_no_more("the disk is full")

    def _say(self, text: str) -> None:
        log.warning("note: %s", text)
        self._said.append(text)
