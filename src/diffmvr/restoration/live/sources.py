"""Where live frames come from: a camera, a pipe, an address, or a file paced as a camera."""

import re
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from diffmvr.parsing import user_path
from diffmvr.preprocessing.frame_clock import DEFAULT_RATE
from diffmvr.preprocessing.frame_source import Frame, FrameSource, VideoInfo
from diffmvr.preprocessing.media_files import open_stream
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_reader import CONVERSION

PIPE = "-"
_ADDRESS = re.compile(r"rtsps?://", re.IGNORECASE)
_MILLISECOND = Fraction(1, 1000)
_TIMEOUT = (10.0, 10.0)
"""Seconds to open a stream, and to wait for its next packet."""


class Camera:
    """A camera of this machine, by OpenCV; it can be walked once.

    Args:
        number: of the device, 0 for the first.

    Attributes:
        path: stands for it in messages.
        info: size and rate, as the driver says; times are those at which frames come.

    Raises:
        ValueError: if it cannot be opened or gives no picture.
    """

    def __init__(self, number: int) -> None:
        self.path = Path(f"camera {number}")
        backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
        # OpenCV would tell the terminal, in its own words, what is told below.
        told = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._device = cv2.VideoCapture(number, backend)
        finally:
            cv2.utils.logging.setLogLevel(told)
        given, first = self._device.read() if self._device.isOpened() else (False, None)
        if not given or first is None:
            self._device.release()
            raise ValueError(
                f"input: camera {number} cannot be opened, or gives no picture; check that it is "
                "plugged in and that no other program uses it, or give a file, - or rtsp://…"
            )
        rate = Fraction(self._device.get(cv2.CAP_PROP_FPS) or 0).limit_denominator(1001)
        height, width = first.shape[:2]
        self.info = VideoInfo(f"camera {number}", width, height, rate or DEFAULT_RATE, _MILLISECOND)

    def __iter__(self) -> Iterator[Frame]:
        """Give frames until the camera gives no more, as when it is pulled out."""
        start, last, index = time.monotonic(), -1, 0
        try:
            while True:
                given, picture = self._device.read()
                if not given:
                    return
                # No two frames at one time.
                last = max(last + 1, round(1000 * (time.monotonic() - start)))
                image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(index, last, 0, image)
                index += 1
        finally:
            self._device.release()


class Stream:
    """A video that comes through a pipe or from an address, by FFmpeg; it can be walked once.

    Args:
        source: an open binary file, or an ``rtsp://`` address, which is connected to.
        name: what it is called.

    Raises:
        ValueError: if it cannot be opened or holds no video.
    """

    def __init__(self, source: Any, name: str) -> None:
        self.path = Path(name)
        self._container: Any = open_stream(source, name, _TIMEOUT)
        if not self._container.streams.video:
            self._container.close()
            raise ValueError(f"input: {name} holds no video; send one with pictures")
        self._stream = self._container.streams.video[0]
        context, rate = self._stream.codec_context, self._stream.average_rate
        self.info = VideoInfo(
            name, context.width, context.height, rate or DEFAULT_RATE, self._stream.time_base
        )

    def __iter__(self) -> Iterator[Frame]:
        """Give frames until the stream ends."""
        last, step = -1, max(1, round(1 / (self.info.frame_rate * self.info.time_base)))
        with self._container:
            for index, picture in enumerate(self._container.decode(self._stream)):
                size = (picture.width, picture.height)
                if size != (self.info.width, self.info.height):
                    raise ValueError(
                        f"input: frame {index} of {self.info.name} is {size[0]}x{size[1]}, and "
                        f"those before are {self.info.size}; begin a new run"
                    )
                pts = last + step if picture.pts is None else picture.pts
                last = max(last + 1, pts)
                rgb = picture.reformat(format="rgb24", interpolation=CONVERSION)
                yield Frame(index, last, 0, rgb.to_ndarray())


def open_live(given: str) -> tuple[FrameSource, bool]:
    """Open a live source.

    Args:
        given: a camera's number, ``-`` for standard input, an ``rtsp://`` address, or a file.

    Returns:
        The source, and whether its frames come at their own times.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be opened.
    """
    if given.isdecimal():
        return Camera(int(given)), True
    if given == PIPE:
        return Stream(sys.stdin.buffer, "standard input"), True
    if _ADDRESS.match(given):
        # An address may hold a password.
        return Stream(given, "stream"), True
    return open_frames(user_path(given)), False
