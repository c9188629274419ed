"""The walk of ``restore`` over frames that are read once, each planned a few frames later."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import cv2
import numpy as np

from diffmvr.preprocessing.detection import FixedBox
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.scene_layout import MaskCleaning
from diffmvr.preprocessing.threads import ReadAhead
from diffmvr.restoration.planner import plan
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.report import RestoredFrame
from diffmvr.structures import CLEAR_THRESHOLD

CONTEXT = 24
"""Frames that a face's path is smoothed over, before a frame or after it: what the look-ahead
lacks of them is taken from before."""


class _Buffer(Iterator[FrameAndMask]):
    """Frames between the first pass, which looks at them, and the second, which restores them."""

    def __init__(self) -> None:
        self._frames: deque[FrameAndMask] = deque()

    def watch(self, frames: Iterable[FrameAndMask]) -> Iterator[FrameAndMask]:
        """Pass frames on, and keep each."""
        for pair in frames:
            self._frames.append(pair)
            yield pair

    def __iter__(self) -> Iterator[FrameAndMask]:
        return self

    def __next__(self) -> FrameAndMask:
        """Give out what was kept, in order; a plan promises that it is there."""
        if not self._frames:
            raise StopIteration
        return self._frames.popleft()


def warm_up(restorer: VideoRestorer, info: VideoInfo, size: int) -> None:
    """Restore three frames of noise, so that the first hidden frame does not wait for imports.

    Args:
        restorer: one of its own: it learns from what it restores.
        info: of the source, whose size the frames have.
        size: side of the model's crops in pixels.
    """
    height, width = info.height, info.width
    box = np.array([0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height])
    rng, mask = np.random.default_rng(0), np.zeros((height, width), np.uint8)
    mask[round(0.4 * height) : round(0.6 * height), round(0.4 * width) : round(0.6 * width)] = 1
    coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
    image = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    frames = [(Frame(k, k, 1, image), mask * (k > 0)) for k in range(3)]
    for _ in restore_live(frames, info, Scanner(FixedBox(box), "given"), restorer, size, 0):
        pass


def restore_live(
    frames: Iterable[FrameAndMask],
    info: VideoInfo,
    scanner: Scanner,
    restorer: VideoRestorer,
    size: int,
    lookahead: int = 0,
    cleaning: MaskCleaning | None = None,
    clear_threshold: float = CLEAR_THRESHOLD,
) -> Generator[RestoredFrame, None, None]:
    """Restore frames as they come.

    Frames are planned in groups of ``lookahead + 1``: the first of a group waits for all others,
    the last one for none.  What is known is the past, and the group.  With a look-ahead as long as
    the recording the result is that of ``restore``, bit for bit: the same scanner, plan and walk.

    Args:
        frames: the frames in order, each with its mask where masks are given; read once.
        info: of the source.
        scanner: finds the face, and what hides it where no masks are given.
        restorer: restores what is planned.
        size: side of the model's crops in pixels.
        lookahead: how many later frames a frame waits for at most.
        cleaning: of the masks that are found.
        clear_threshold: largest hidden share of the face box of a clear frame.

    Yields:
        Every frame in order.
    """
    scanner.hurry(lookahead)
    buffer = _Buffer()
    plans = plan(
        *(buffer.watch(frames), info, scanner, size, cleaning),
        clear_threshold=clear_threshold,
        context=max(0, CONTEXT - lookahead),
        must_find=False,
    )
    # The next group is looked at while one is restored.
    with closing(ReadAhead(plans, 1)) as ready:
        yield from restorer.restore(ready, buffer)
