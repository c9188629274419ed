"""A recording as a stream of frames with their masks: paired, thinned out, counted."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import repeat

import numpy as np

from diffmvr.preprocessing.frame_source import Frame, FrameSource
from diffmvr.preprocessing.mask_io import MaskSource
from diffmvr.structures import UInt8Array

FrameAndMask = tuple[Frame, UInt8Array | None]


def with_masks(
    frames: FrameSource, masks: MaskSource | None, exact: bool = False
) -> Iterator[FrameAndMask]:
    """Read each frame with its mask, by the frame's number.

    Args:
        frames: the recording.
        masks: its masks; ``None``: none are given.
        exact: whether there must not be more masks than frames, either.

    Raises:
        ValueError: if there are fewer masks than frames, or more; both numbers are named.
    """
    reader: Iterator[UInt8Array | None] = repeat(None) if masks is None else iter(masks)
    count = length = 0
    images = iter(frames)
    for frame in images:
        mask = None
        length = frame.index + 1
        # Damaged frames are missing, their masks are not.
        while count < length:
            try:
                mask = next(reader)
            except StopIteration:
                raise _length_error(frames, length + _rest(images), masks, count) from None
            count += 1
        yield frame, mask
    if exact and masks is not None and not masks.endless and (more := _rest(reader)):
        raise _length_error(frames, length, masks, count + more)


def sampled(
    frames: Iterable[FrameAndMask], unit: Fraction, fps: Fraction | None
) -> Iterator[FrameAndMask]:
    """Choose frames by their presentation time, at a rate; the first at or after each tick.

    A recording that is slower than the rate keeps every frame.

    Args:
        frames: frames in order.
        unit: seconds per unit of the frames' time.
        fps: frames per second; ``None`` keeps every frame.
    """
    start: int | None = None
    last = -1
    for frame, mask in frames:
        start = frame.pts if start is None else start
        tick = -1 if fps is None else int((frame.pts - start) * unit * fps)
        if fps is None or tick > last:
            last = tick
            yield frame, mask


def counted(
    frames: Iterator[FrameAndMask], on_frame: Callable[[], None] | None
) -> Iterator[FrameAndMask]:
    """Pass frames on, and call ``on_frame`` after each."""
    for pair in frames:
        yield pair
        if on_frame is not None:
            on_frame()


def watched(frames: Iterator[FrameAndMask], see: Callable[[Frame], None]) -> Iterator[FrameAndMask]:
    """Pass frames on, and show each to ``see`` before."""
    for frame, mask in frames:
        see(frame)
        yield frame, mask


def _rest(reader: Iterator[object]) -> int:
    return sum(1 for _ in reader)


def _length_error(
    frames: FrameSource, length: int, masks: MaskSource | None, count: int
) -> ValueError:
    return ValueError(
        f"mask: {masks.path if masks else ''} has {count} masks but {frames.path} has {length} "
        "frames; give one mask for each frame, or a single PNG for all of them"
    )


def read_up_to(frames: Iterator[FrameAndMask], index: int) -> tuple[UInt8Array, UInt8Array | None]:
    """Read on to a frame; return its picture and mask.

    Raises:
        ValueError: if the frame is not there any more.
    """
    for frame, mask in frames:
        if frame.index == index:
            return np.asarray(frame.image), mask
    raise ValueError(
        f"input: frame {index} was there when the recording was first read and is not now; "
        "do not change a recording while it is processed"
    )
