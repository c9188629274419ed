"""The files of a restoration: the result, and what helps to judge it."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image

from diffmvr.checks import check_one_of
from diffmvr.preprocessing.audio import copy_audio, suffix_for
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.pixel_losses import PixelLosses
from diffmvr.preprocessing.video_writer import CRF, FrameWriter, PngWriter, VideoWriter
from diffmvr.restoration.contact_sheet import ContactSheet, side_by_side
from diffmvr.restoration.restored_frame import FrameRecord, RestoredFrame
from diffmvr.structures import FloatArray

FORMATS = ("mp4", "png", "ffv1")
CONTAINERS = {
    "mp4": {".mp4": "mp4", ".mkv": "matroska"},
    "ffv1": {".mkv": "matroska"},
    "png": {".mka": "matroska"},
}
"""Suffixes and FFmpeg's names of what each format is stored in, the preferred one first."""


class RestorationOutput:
    """Writes a restoration frame by frame; a context manager that finishes the files.

    - ``mp4``: ``restored.mp4``, or ``restored.mkv`` where the audio does not fit into mp4;
    - ``png``: ``frames/00000.png``, … and the audio in ``audio.mka``;
    - ``ffv1``: ``restored.mkv``;
    - with ``concat`` also ``concat.mp4`` (or .mkv), original and restored side by side, and
      ``contact_sheet.png``.

    Attributes:
        names: what was written, by kind.
        notes: what the reader of a report should know of it.
        records: one record a frame.

    Args:
        folder: where to write; it exists.
        frames: the recording.
        mask_share: ``[T]``, hidden share of each frame.
        file_format: one of the three above.
        concat: whether to write the side-by-side.
        audio: whether to copy the audio.
        crf: quality of H.264.
        threads: encoding threads; 0 lets the encoder choose.

    Raises:
        ValueError: on an unknown format, or audio that fits into none of the containers.
    """

    def __init__(
        self,
        folder: Path,
        frames: FrameSource,
        mask_share: FloatArray,
        file_format: str = "mp4",
        concat: bool = False,
        audio: bool = True,
        crf: int = CRF,
        threads: int = 0,
    ) -> None:
        check_one_of("format", file_format, FORMATS)
        self.names: dict[str, str] = {}
        self.notes: list[str] = []
        self.records: list[FrameRecord] = []
        self._folder = folder
        self._frames = frames
        self._audio = frames.path if audio and frames.info.audio else None
        self._losses = PixelLosses(frames.info, file_format)
        self._crf, self._threads = crf, threads
        self._main = self._main_writer(file_format)
        self._sheet = ContactSheet(mask_share) if concat else None
        self._concat = self._concat_writer() if concat else None
        self._open = ExitStack()

    def write(self, frame: RestoredFrame) -> None:
        """Append a frame to every file."""
        restored = frame.restored
        self._losses.see(frame.observed)
        if restored.stored is not None and frame.mask.any():
            stored = restored.stored.filled(restored.image, frame.mask)
            restored = replace(restored, stored=stored)
        self._main.write(restored)
        if self._concat is not None and self._sheet is not None:
            pair = side_by_side(frame.observed.image, frame.restored.image)
            self._concat.write(replace(restored, image=pair, stored=None))
            self._sheet.add(frame)
        self.records.append(frame.record)

    def __enter__(self) -> Self:
        with self._open:
            self._open.enter_context(self._main)
            if self._concat is not None:
                self._open.enter_context(self._concat)
            self._open = self._open.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)
        self.notes += self._losses.notes()
        if kind is None and self._sheet is not None:
            name = self.names["contact_sheet"] = "contact_sheet.png"
            Image.fromarray(self._sheet.image()).save(self._folder / name)

    def _main_writer(self, file_format: str) -> FrameWriter:
        info = self._frames.info
        if file_format == "png":
            self.names["frames"] = "frames"
            if self._audio is not None:
                name = self.names["audio"] = "audio.mka"
                suffix_for(CONTAINERS["png"], self._audio)
                copy_audio(self._audio, self._folder / name)
            return PngWriter(self._folder / "frames")
        if file_format == "ffv1":
            self.names["video"] = "restored" + self._suffix("ffv1")
            return self._video(self.names["video"], "ffv1", info.width)
        self.names["video"] = "restored" + self._suffix("mp4")
        if info.width % 2 or info.height % 2:
            self.notes.append(
                f"an odd size ({info.size}) needs 4:4:4 H.264, which some players cannot show; "
                "use format=png or format=ffv1 then"
            )
        return self._video(self.names["video"], "h264", info.width)

    def _concat_writer(self) -> FrameWriter:
        self.names["concat"] = "concat" + self._suffix("mp4")
        return self._video(self.names["concat"], "h264", 2 * self._frames.info.width)

    def _video(self, name: str, codec: str, width: int) -> VideoWriter:
        return VideoWriter(
            self._folder / name,
            self._frames.info,
            codec,
            self._audio,
            (width, self._frames.info.height),
            self._crf,
            self._threads,
        )

    def _suffix(self, file_format: str) -> str:
        """Return the suffix of the container that takes the audio, and say if it is not the first.

        Raises:
            ValueError: if none takes it.
        """
        first = next(iter(CONTAINERS[file_format]))
        if self._audio is None:
            return first
        suffix = suffix_for(CONTAINERS[file_format], self._audio)
        if suffix != first:
            note = f"the audio ({', '.join(self._frames.info.audio)}) does not fit into {first}: "
            self.notes.append(f"{note}{suffix} is written")
        return suffix
