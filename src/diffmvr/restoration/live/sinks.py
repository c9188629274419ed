"""Where live frames are shown: a film in a folder, a pipe, a window."""

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import cv2
import numpy as np

from diffmvr.files import DISK_FULL
from diffmvr.pipelines.clip_video import side_by_side
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.media_files import open_pipe_to_write
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.provenance.labels import TAGS
from diffmvr.structures import UInt8Array

WINDOW, PIPE = "window", "-"
FILM = "restored.mkv"
"""Matroska can be read up to where a machine that lost its power stopped."""


class Sink(Protocol):
    """Shows frames in order; a context manager."""

    def show(self, frame: Frame, observed: UInt8Array) -> bool:
        """Show one; return whether another one is wanted."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Film:
    """Writes ``restored.mkv``, and with ``concat`` input and output side by side instead.

    What was written is finished and kept however the run ends.

    Args:
        folder: where; it exists.
        info: of the source.
        crf: quality of H.264.
        concat: whether the input stands beside the output, with the latency in the corner.
        age: returns how many seconds ago a frame was captured.
        threads: encoding threads.

    Attributes:
        full: whether the disk was full.
    """

    def __init__(
        self,
        folder: Path,
        info: VideoInfo,
        crf: int,
        concat: bool,
        age: Callable[[int], float],
        threads: int = 0,
    ) -> None:
        self._concat, self._age, self.full = concat, age, False
        size = ((2 if concat else 1) * info.width, info.height)
        self._writer = VideoWriter(
            folder / FILM, info, "h264", None, size, crf, threads, TAGS, preset="veryfast"
        )

    def show(self, frame: Frame, observed: UInt8Array) -> bool:
        """Write a frame."""
        if self._concat:
            pair = np.array(side_by_side([observed, frame.image]))
            _write_latency(pair, self._age(frame.index))
            frame = replace(frame, image=pair, stored=None)
        try:
            self._writer.write(frame)
        except ValueError as error:
            if getattr(error.__cause__, "errno", None) not in DISK_FULL:
                raise
            self.full = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        return True

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        # As if all had gone well: what there is, is kept.
        try:
            self._writer.__exit__(None)
        except (ValueError, OSError) as error:
            # What was written is handed to the disk late: it may be full only now.
            errors = (error, error.__cause__)
            self.full = self.full or any(getattr(e, "errno", None) in DISK_FULL for e in errors)
            if not self.full:
                raise


class Pipe:
    """Writes MPEG-TS with H.264 to standard output, without a delay of the encoder's own."""

    def __init__(self, info: VideoInfo, crf: int) -> None:
        self._info, self._crf = info, crf

    def show(self, frame: Frame, observed: UInt8Array) -> bool:
        """Write a frame; return whether somebody still reads."""
        picture = av.VideoFrame.from_ndarray(frame.image, "rgb24")
        picture.pts, picture.time_base = frame.pts, self._info.time_base
        try:
            self._container.mux(self._stream.encode(picture))
        except (BrokenPipeError, av.BrokenPipeError):
            return False
        return True

    def __enter__(self) -> Self:
        self._container: Any = open_pipe_to_write(sys.stdout.buffer, "mpegts")
        self._container.metadata.update(TAGS)
        options = {"crf": str(self._crf), "preset": "veryfast", "tune": "zerolatency"}
        self._stream = self._container.add_stream(
            "libx264", rate=self._info.frame_rate, options=options
        )
        self._stream.width, self._stream.height = self._info.width, self._info.height
        odd = self._info.width % 2 or self._info.height % 2
        self._stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        self._stream.codec_context.time_base = self._info.time_base
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (BrokenPipeError, av.BrokenPipeError):
            pass


class Window:
    """Shows frames in a window, until it is closed or ``q`` is pressed.

    Raises:
        ValueError: if there is no screen.
    """

    _NAME = "diffmvr live (q: end)"

    def __init__(self) -> None:
        on_linux = sys.platform.startswith("linux")
        if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ValueError(
                "output: window needs a screen, and neither DISPLAY nor WAYLAND_DISPLAY is set; "
                "give output=FOLDER or output=-"
            )

    def show(self, frame: Frame, observed: UInt8Array) -> bool:
        """Show a frame."""
        cv2.imshow(self._NAME, cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        pressed = cv2.waitKey(1) & 0xFF
        return pressed != ord("q") and cv2.getWindowProperty(self._NAME, 0) >= 0

    def __enter__(self) -> Self:
        cv2.namedWindow(self._NAME, cv2.WINDOW_NORMAL)
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyAllWindows()


def _write_latency(image: UInt8Array, seconds: float) -> None:
    """Write the latency into the upper right corner, in place."""
    scale = max(0.4, image.shape[0] / 700)
    text, font = f"{1000 * seconds:.0f} ms", cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    corner = image.shape[1] - width - 12, 0
    cv2.rectangle(image, corner, (image.shape[1], height + 12), (0, 0, 0), -1)
    place = corner[0] + 6, height + 6
    cv2.putText(image, text, place, font, scale, (255, 255, 255), 1, cv2.LINE_AA)
