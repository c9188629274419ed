"""What a recording is to the rest: frames in order, upright, with exact times.

A :class:`FrameSource` can be walked any number of times and never holds more than one frame of
its own, so that a recording of any length fits in memory.  H × W is the size as displayed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from diffmvr.preprocessing.stored_pixels import StoredPixels
from diffmvr.structures import UInt8Array

BT709, UNSPECIFIED, BT601 = 1, 2, 6
"""Numbers of ITU-T H.273 for colour matrix, primaries and transfer curve, as FFmpeg has them."""


# Compared by identity: two arrays do not compare to one truth value.
@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a recording.

    Attributes:
        index: number of the frame, from 0.
        pts: presentation time in units of the source's ``time_base``.
        duration: how long it is shown, in the same units; 0 where unknown.
        image: ``[H, W, 3]`` uint8 RGB, upright.
        stored: the same as its file holds it, where that is more than 8-bit RGB.
    """

    index: int
    pts: int
    duration: int
    image: UInt8Array
    stored: StoredPixels | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a recording before it is read.

    Attributes:
        name: file or folder name.
        width: upright width in pixels.
        height: upright height in pixels.
        frame_rate: average frames per second, exact.
        time_base: unit of the frames' ``pts``, in seconds.
        pixel_aspect: width over height of one pixel, upright.
        color: numbers of the colour matrix, primaries and transfer curve (ITU-T H.273).
        depth: bits of a channel; above 8 the frames hold 16-bit values, too.
        transparent: whether a video's frames have a transparency, which is not read.
        frame_count: how many frames the container promises, or ``None`` if it does not say.
        audio: codec names of the audio tracks.
        language: ISO 639 code that the video track states, or ``None``.
        notes: what the reader of a report should know of the input.
    """

    name: str
    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    pixel_aspect: Fraction = Fraction(1)
    color: tuple[int, int, int] = (BT709, BT709, BT709)
    depth: int = 8
    transparent: bool = False
    frame_count: int | None = None
    audio: tuple[str, ...] = ()
    language: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """``"WIDTHxHEIGHT"``, for messages."""
        return f"{self.width}x{self.height}"


class FrameSource(Protocol):
    """Frames that can be read from the start as often as needed."""

    path: Path
    info: VideoInfo

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames in order, from the first."""
        ...
