"""The files of a restoration: the result, and what helps to judge it."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from diffmvr.checks import check_one_of
from diffmvr.pipelines.clip_video import side_by_side
from diffmvr.preprocessing.audio import copy_audio, is_trimmed, plan_audio
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.pixel_losses import PixelLosses
from diffmvr.preprocessing.stored_pixels import StoredPixels
from diffmvr.preprocessing.time_losses import TimeLosses
from diffmvr.preprocessing.video_writer import CRF, FrameWriter, PngWriter, VideoWriter
from diffmvr.provenance.labels import PNG_CHUNKS, TAGS, own_tags
from diffmvr.provenance.mark import draw_mark
from diffmvr.provenance.pixels import hash_mask
from diffmvr.restoration.contact_sheet import ContactSheet
from diffmvr.restoration.doubt_page import PAGE, TIMELINE, DoubtPage
from diffmvr.restoration.doubt_picture import bar_height, with_bar
from diffmvr.restoration.report import FrameRecord, RestoredFrame
from diffmvr.restoration.timeline import draw_timeline

FORMATS = ("mp4", "png", "ffv1")
CONTAINERS = {
    "mp4": {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"},
    "ffv1": {".mkv": "matroska"},
    "png": {".mka": "matroska", ".m4a": "mp4", ".mov": "mov"},
}
"""Suffixes and FFmpeg's names of what each format is stored in, the preferred one first."""

TRIMMED_SOUND = {".m4a": "mp4", ".mka": "matroska", ".mov": "mov"}
"""The same for the sound beside pictures where a player leaves out its beginning."""


class RestorationOutput:
    """Writes a restoration frame by frame; a context manager that finishes the files.

    - ``mp4``: ``restored.mp4``, or ``restored.mkv`` or ``.mov`` where the audio does not fit into
      mp4;
    - ``png``: ``frames/00000.png``, … and the audio in ``audio.mka`` or ``.m4a``;
    - ``ffv1``: ``restored.mkv``;
    - with ``concat`` also ``concat.mp4`` (or .mkv), original and restored side by side, and
      ``contact_sheet.png``;
    - with ``doubt`` also ``doubt.mp4`` (or .mkv), the restored frames with their doubt over them
      and a bar below, ``timeline.png`` and ``doubt.html``.

    Attributes:
        names: what was written, by kind.
        notes: what the reader of a report should know of it.
        records: one record a frame.
        masks: hash of the mask of each frame; ``None`` where nothing was hidden.

    Args:
        folder: where to write; it exists.
        frames: the recording.
        file_format: one of the three above.
        concat: whether to write the side-by-side.
        audio: whether to copy the audio.
        crf: quality of H.264.
        threads: encoding threads; 0 lets the encoder choose.
        mark: what is drawn into frames with synthesised pixels; see ``draw_mark``.
        keep_metadata: whether the recording's own tags (date, place, device, …) go into films.
        doubt: the share of the truth that intervals are to hold, where pictures of doubt are to be
            written; ``None``: none are.
        name: what the recording is called in them; ``None``: by its file.

    Raises:
        ValueError: on an unknown format.
    """

    def __init__(
        self,
        folder: Path,
        frames: FrameSource,
        file_format: str = "mp4",
        concat: bool = False,
        audio: bool = True,
        crf: int = CRF,
        threads: int = 0,
        mark: str = "none",
        keep_metadata: bool = False,
        doubt: float | None = None,
        name: str | None = None,
    ) -> None:
        check_one_of("format", file_format, FORMATS)
        self.names: dict[str, str] = {}
        self.notes: list[str] = []
        self.records: list[FrameRecord] = []
        self.masks: list[str | None] = []
        self._folder = folder
        self._frames = frames
        self._audio = frames.path if audio and frames.info.audio else None
        self._losses = PixelLosses(frames.info, file_format)
        self._crf, self._threads, self._mark = crf, threads, mark
        self._tags = TAGS
        if keep_metadata:
            own = own_tags(frames.path)
            self._tags = own | TAGS
            self.notes.append(
                f"the recording's own metadata are kept in films ({', '.join(sorted(own))}), as "
                "far as their containers take them: place, device, date and names may be told"
                if own
                else "the recording holds no metadata that a film takes: none are kept"
            )
        self._time_losses = TimeLosses(frames.info)
        self._suffix = self._plan_audio(file_format)
        self._main = self._main_writer(file_format)
        self._sheet = ContactSheet() if concat else None
        self._concat = self._concat_writer() if concat else None
        self._page = None if doubt is None else DoubtPage(doubt)
        self._overlay = None if doubt is None else self._overlay_writer()
        self._name = name or frames.info.name
        self._open = ExitStack()

    def write(self, frame: RestoredFrame) -> None:
        """Append a frame to every file."""
        synthesised = frame.synthesised
        marked, drawn = draw_mark(frame.restored.image, synthesised, self._mark)
        restored = replace(frame.restored, image=marked)
        self._losses.see(frame.observed)
        changed = synthesised | drawn
        if restored.stored is not None and changed.any():
            restored = replace(restored, stored=restored.stored.filled(marked, changed))
        if synthesised.any() and isinstance(self._main, PngWriter):
            stored = restored.stored or StoredPixels(restored.image)
            restored = replace(restored, stored=replace(stored, text_chunks=PNG_CHUNKS))
        self._main.write(restored)
        if self._concat is not None and self._sheet is not None:
            pair = side_by_side([frame.observed.image, marked])
            self._concat.write(replace(restored, image=pair, stored=None))
            self._sheet.add(replace(frame, restored=restored))
        if self._overlay is not None and self._page is not None:
            marked_frame = replace(frame, restored=restored)
            self._overlay.write(replace(restored, image=with_bar(marked_frame), stored=None))
            self._page.add(marked_frame)
        self.records.append(frame.record)
        self.masks.append(hash_mask(synthesised) if synthesised.any() else None)
        self._time_losses.see(frame.observed)

    def __enter__(self) -> Self:
        with self._open:
            self._open.enter_context(self._main)
            if self._concat is not None:
                self._open.enter_context(self._concat)
            if self._overlay is not None:
                self._open.enter_context(self._overlay)
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
        shift = self._main.largest_shift if isinstance(self._main, VideoWriter) else None
        self.notes += self._time_losses.notes(shift)
        if kind is None and self._sheet is not None:
            name = self.names["contact_sheet"] = "contact_sheet.png"
            sheet = StoredPixels(self._sheet.image(), text_chunks=PNG_CHUNKS)
            sheet.write(self._folder / name)
        if kind is None and self._page is not None:
            self.names |= {"timeline": TIMELINE, "doubt_page": PAGE}
            draw_timeline(self.records, self._folder / TIMELINE)
            self._page.write(self._folder, self.records, self._name)

    def _main_writer(self, file_format: str) -> FrameWriter:
        info = self._frames.info
        if file_format == "png":
            self.names["frames"] = "frames"
            if self._audio is not None:
                name = self.names["audio"] = "audio" + self._suffix
                copy_audio(self._audio, self._folder / name, TRIMMED_SOUND[self._suffix])
            return PngWriter(self._folder / "frames", self._threads)
        if file_format == "ffv1":
            self.names["video"] = "restored" + self._suffix
            return self._video(self.names["video"], "ffv1", info.width)
        self.names["video"] = "restored" + self._suffix
        if info.width % 2 or info.height % 2:
            self.notes.append(
                f"an odd size ({info.size}) needs 4:4:4 H.264, which some players cannot show; "
                "use format=png or format=ffv1 then"
            )
        return self._video(self.names["video"], "h264", info.width)

    def _concat_writer(self) -> FrameWriter:
        self.names["concat"] = "concat" + self._concat_suffix()
        return self._video(self.names["concat"], "h264", 2 * self._frames.info.width)

    def _overlay_writer(self) -> FrameWriter:
        self.names["doubt"] = "doubt" + self._concat_suffix()
        info = self._frames.info
        return self._video(self.names["doubt"], "h264", info.width, bar_height(info.height))

    def _video(self, name: str, codec: str, width: int, below: int = 0) -> VideoWriter:
        return VideoWriter(
            self._folder / name,
            self._frames.info,
            codec,
            self._audio,
            (width, self._frames.info.height + below),
            self._crf,
            self._threads,
            self._tags,
        )

    def _plan_audio(self, file_format: str) -> str:
        """Return the suffix of what takes the audio, and note what becomes of it."""
        formats = CONTAINERS[file_format]
        if self._audio is None:
            return next(iter(formats))
        if file_format == "png" and is_trimmed(self._audio):
            formats = TRIMMED_SOUND
        plan = plan_audio(formats, self._audio)
        self.notes += plan.notes
        if not plan.kept:
            self._audio = None
        return plan.suffix

    def _concat_suffix(self) -> str:
        """Return the suffix of the container that takes the most of the audio."""
        formats = CONTAINERS["mp4"]
        return (
            next(iter(formats)) if self._audio is None else plan_audio(formats, self._audio).suffix
        )
