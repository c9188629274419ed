"""Write frames as a video or as pictures, with the input's times and untouched audio (PyAV)."""

import math
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
from av.codec.context import Flags
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace

from diffmvr.checks import check_number, check_one_of, check_shape
from diffmvr.preprocessing.audio import AudioCopy
from diffmvr.preprocessing.frame_source import BT601, BT709, Frame, VideoInfo
from diffmvr.preprocessing.media_files import open_to_write
from diffmvr.preprocessing.stored_pixels import StoredPixels
from diffmvr.preprocessing.threads import AHEAD, worker_count
from diffmvr.preprocessing.video_reader import CONVERSION

CODECS = ("h264", "ffv1")
CRF = 16
"""x264's constant rate factor: below what an eye tells from the original; 0 to 51."""

_MATRICES = {BT709: Colorspace.ITU709, BT601: Colorspace.ITU601, 5: Colorspace.ITU601, 9: 9}


class FrameWriter(Protocol):
    """Takes frames in order; a context manager that finishes the file when it ends well."""

    path: Path

    def write(self, frame: Frame) -> None:
        """Append a frame."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class PngWriter:
    """Write each frame as ``00000.png``, ``00001.png``, …: exact.

    Args:
        path: the folder, which must not exist yet.
        threads: how many pictures are compressed at once; 0 goes by the cores.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.path = path
        self.threads = threads

    def write(self, frame: Frame) -> None:
        """Write one frame with all that it holds; its number is its name.

        It may be written a little later, beside others; an error is then raised by a later call.
        """
        stored = frame.stored or StoredPixels(frame.image)
        self._pending.append(self._pool.submit(stored.write, self.path / f"{frame.index:05d}.png"))
        if len(self._pending) > AHEAD:
            self._pending.popleft().result()

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        self._pending: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(worker_count(self.threads), "PNG")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._pending:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)


class VideoWriter:
    """Write frames as a video file.

    H.264 is for viewing (8-bit 4:2:0, or 4:4:4 where a side is odd); FFV1 keeps the RGB values
    exactly, with 16 bits where the recording has more than 8.  Times are the input's; Matroska
    rounds them to a millisecond.

    Args:
        path: the file to write; .mp4 or .mkv.
        info: size, times and colours of the recording; ``size`` overrides its size.
        codec: ``"h264"`` or ``"ffv1"``.
        audio_from: a file whose audio packets are copied unchanged, or ``None``.
        size: (width, height) of the frames if not the recording's.
        crf: quality of H.264, 0 (exact) to 51.
        threads: encoding threads; 0 lets the encoder choose.
        tags: what the container says of itself, by name, e.g. ``comment``.
        preset: x264's trade of time for size.

    Attributes:
        largest_shift: by how many seconds the container moved a frame at most.

    Raises:
        ValueError: on an unknown codec or a quality out of range.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        codec: str = "h264",
        audio_from: Path | None = None,
        size: tuple[int, int] | None = None,
        crf: int = CRF,
        threads: int = 0,
        tags: Mapping[str, str] | None = None,
        preset: str = "medium",
    ) -> None:
        check_one_of("codec", codec, CODECS)
        check_number("crf", crf, 0, 51)
        self.path = path
        self.info = info
        self.codec = codec
        self.audio_from = audio_from
        self.width, self.height = size or (info.width, info.height)
        self.crf = crf
        self.threads = threads
        self.tags, self.preset = dict(tags or {}), preset
        self.largest_shift = Fraction(0)
        self._last_place = -(10**15)

    def __enter__(self) -> Self:
        self._container: Any = open_to_write(self.path)
        self._container.metadata.update(self.tags)
        self._stream = self._add_video()
        self._audio = AudioCopy(self.audio_from, self._container) if self.audio_from else None
        return self

    def write(self, frame: Frame) -> None:
        """Encode one frame, and copy the audio up to its time.

        Raises:
            ValueError: if the frame has another size, or the encoder does not take it.
        """
        check_shape("image", frame.image, (self.height, self.width, 3))
        picture = self._convert(frame)
        picture.pts = self._place(frame)
        picture.duration = frame.duration
        picture.time_base = self.info.time_base
        self._encode(picture)
        if self._audio is not None:
            self._audio.copy_until(frame.pts * self.info.time_base)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._encode(None)
                if self._audio is not None:
                    self._audio.copy_until(None)
        finally:
            if self._audio is not None:
                self._audio.close()
            self._container.close()

    def _encode(self, picture: Any | None) -> None:
        """Encode a picture, or with ``None`` what waits in the encoder."""
        try:
            self._container.mux(self._stream.encode(picture))
        except av.FFmpegError as error:
            raise ValueError(
                f"output: frames of {self.width}x{self.height} cannot be written as {self.codec} "
                f"({error.strerror}); pictures (format=png) may still work"
            ) from error

    def _add_video(self) -> Any:
        options = {"h264": {"crf": str(self.crf), "preset": self.preset}, "ffv1": {"level": "3"}}
        stream: Any = self._container.add_stream(
            {"h264": "libx264", "ffv1": "ffv1"}[self.codec],
            rate=self.info.frame_rate,
            options=options[self.codec],
        )
        stream.width, stream.height = self.width, self.height
        stream.time_base = self.info.time_base
        stream.disposition = Disposition.default
        if self.info.language:
            stream.metadata["language"] = self.info.language
        context = stream.codec_context
        context.time_base = self.info.time_base
        context.sample_aspect_ratio = self.info.pixel_aspect
        context.thread_count = self.threads
        # Without it the last frame of the file gets a duration made up from the frame rate.
        context.flags |= Flags.frame_duration
        matrix, context.color_primaries, context.color_trc = self.info.color
        if self.codec == "ffv1":
            stream.pix_fmt = "gbrp16le" if self.info.depth > 8 else "bgr0"
            return stream
        odd = self.width % 2 or self.height % 2
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context.colorspace = matrix if matrix in _MATRICES else BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _place(self, frame: Frame) -> int:
        """Return the time of a frame in units of the recording.

        Where Matroska's milliseconds would show two frames at one time, the later is put into the
        next millisecond, so that what is written can be read.
        """
        if self.path.suffix.lower() != ".mkv":
            return frame.pts
        thousandths = 1000 * self.info.time_base
        place = math.floor(frame.pts * thousandths + Fraction(1, 2))
        pts = frame.pts
        if place <= self._last_place:
            place = self._last_place + 1
            pts = math.ceil((place - Fraction(1, 2)) / thousandths)
        self._last_place = place
        self.largest_shift = max(self.largest_shift, abs(place - frame.pts * thousandths) / 1000)
        return pts

    def _convert(self, frame: Frame) -> Any:
        if self.codec == "ffv1" and self.info.depth > 8:
            stored = frame.stored or StoredPixels(frame.image)
            return av.VideoFrame.from_ndarray(stored.deep_rgb(), "gbrp16le")
        picture = av.VideoFrame.from_ndarray(frame.image, "rgb24")
        if self.codec == "ffv1":
            return picture.reformat(format="bgr0")
        return picture.reformat(
            format=self._stream.pix_fmt,
            dst_colorspace=_MATRICES.get(self.info.color[0], Colorspace.ITU709),
            dst_color_range=ColorRange.MPEG,
            interpolation=CONVERSION,
            threads=1,
        )
