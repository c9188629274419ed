"""Walk a recording in windows of a few frames, so that its length costs no memory."""

from collections.abc import Iterable, Iterator
from itertools import islice

from diffmvr.checks import check_number
from diffmvr.preprocessing.frame_source import Frame, FrameSource
from diffmvr.preprocessing.mask_io import MaskSource
from diffmvr.structures import UInt8Array

FrameAndMask = tuple[Frame, UInt8Array]


def paired(frames: FrameSource, masks: MaskSource) -> Iterator[FrameAndMask]:
    """Read each frame with its mask.

    Raises:
        ValueError: if there are fewer masks than frames, or more; both numbers are named.
    """
    frame_reader, mask_reader = iter(frames), iter(masks)
    count = 0
    for frame in frame_reader:
        mask = next(mask_reader, None)
        if mask is None:
            raise _length_error(frames, count + 1 + _rest(frame_reader), masks, count)
        yield frame, mask
        count += 1
    if not masks.endless and (more := _rest(mask_reader)):
        raise _length_error(frames, count, masks, count + more)


def windows(pairs: Iterable[FrameAndMask], size: int) -> Iterator[list[FrameAndMask]]:
    """Cut a stream into consecutive windows; only one is held at a time.

    A window is emptied when the next one is asked for, whoever still holds the list.

    Args:
        pairs: frames with their masks.
        size: frames in a window, ≥ 1; the last window may be shorter.

    Raises:
        ValueError: if ``size`` is below 1.
    """
    check_number("window", size, 1, 10_000)
    reader = iter(pairs)
    while window := list(islice(reader, size)):
        yield window
        window.clear()


def _rest(reader: Iterator[object]) -> int:
    return sum(1 for _ in reader)


def _length_error(frames: FrameSource, length: int, masks: MaskSource, count: int) -> ValueError:
    return ValueError(
        f"mask: {masks.path} has {count} masks but {frames.path} has {length} frames; give one "
        "mask for each frame, or a single PNG for all of them"
    )
