"""``python -m diffmvr.page.camera``: restores frames that the page hands it, while they come.

It is told what ``diffmvr.live`` is told and runs the same code.  Frames come through standard
input and go out through standard output (``diffmvr.page.handed``).
"""

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.hidden_packages import begin_restoration
from diffmvr.page.handed import read_frame, write_frame
from diffmvr.preprocessing.frame_clock import DEFAULT_RATE
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.restoration.live.run import LiveRun
from diffmvr.restoration.live.settings import LiveSettings
from diffmvr.structures import UInt8Array

_MILLISECOND = Fraction(1, 1000)


class HandedFrames:
    """Live frames that come through a stream; it can be walked once.

    Args:
        stream: of the frames; its first one is read.

    Attributes:
        path: stands for it in messages.
        info: size of the frames; times are those at which they come.

    Raises:
        ValueError: if no frame comes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.path, self._stream = Path("camera"), stream
        self._first = read_frame(stream)
        if self._first is None:
            raise ValueError("input: no frame came from the camera; allow the page to use it")
        height, width = self._first[1].shape[:2]
        self.info = VideoInfo("camera", width, height, DEFAULT_RATE, _MILLISECOND)

    def __iter__(self) -> Iterator[Frame]:
        """Give frames until no more come, or one of another size does."""
        start, last, coming = time.monotonic(), -1, self._first
        while coming is not None:
            number, image = coming
            if image.shape[:2] != (self.info.height, self.info.width):
                return
            last = max(last + 1, round(1000 * (time.monotonic() - start)))
            yield Frame(number, last, 0, image)
            coming = read_frame(self._stream)


class HandingBack:
    """Writes each restored frame with its number."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def show(self, frame: Frame, observed: UInt8Array) -> bool:
        """Write a frame; return whether somebody still reads."""
        try:
            write_frame(self._stream, frame.index, frame.image)
        except BrokenPipeError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""


@entry_point("live", "restore")
def main(config: DictConfig) -> None:
    """Restore what is handed in."""
    settings = LiveSettings.from_config(config)
    source, sink = HandedFrames(sys.stdin.buffer), HandingBack(sys.stdout.buffer)
    LiveRun(settings, source=source, sink=sink).run()


if __name__ == "__main__":
    begin_restoration()
    main()
