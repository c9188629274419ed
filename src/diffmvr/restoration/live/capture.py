"""Frames as a camera gives them: those that nobody takes in time are dropped, and counted.

The rule: ``waiting`` frames at most wait to be looked at; when another one comes, the oldest of
them is dropped.  What is shown is thus late by a bounded time, whatever the machine.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from threading import Condition, Event, Thread

from diffmvr.preprocessing.frame_source import Frame, VideoInfo


def paced(frames: Iterable[Frame], info: VideoInfo, stopped: Event) -> Iterator[Frame]:
    """Yield each frame at its time, as a camera would."""
    start: float | None = None
    for frame in frames:
        due = float(frame.pts * info.time_base)
        start = time.monotonic() - due if start is None else start
        if stopped.wait(max(0.0, start + due - time.monotonic())):
            return
        yield frame


class Capture(Iterator[Frame]):
    """Reads frames in a thread of its own, as fast as they come.

    Close it, for example with ``contextlib.closing``.

    Args:
        frames: the source; iterated in that thread alone.
        info: of the source.
        waiting: how many frames wait at most.
        pace: whether the source gives frames as fast as they are read, and is to be slowed down to
            its own times.
        drop: whether frames that would wait too long are dropped; otherwise the source waits.

    Attributes:
        captured: how many frames have come.
        dropped: how many of them were dropped.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        info: VideoInfo,
        waiting: int = 2,
        pace: bool = False,
        drop: bool = True,
    ) -> None:
        self.captured = self.dropped = 0
        self._stopped = Event()
        self._frames = paced(frames, info, self._stopped) if pace else iter(frames)
        self._waiting: deque[Frame] = deque()
        self._most, self._drop = waiting, drop
        self._times: dict[int, float] = {}
        self._ended: BaseException | None = None
        self._changed = Condition()
        self._thread = Thread(target=self._read, name="capture", daemon=True)
        self._thread.start()

    def __next__(self) -> Frame:
        """Return the next frame; raise what reading it raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended or self._stopped.is_set())
            if self._waiting and not self._stopped.is_set():
                self._changed.notify_all()
                return self._waiting.popleft()
        if self._ended is None or isinstance(self._ended, StopIteration):
            raise StopIteration
        raise self._ended

    def age_of(self, index: int) -> float:
        """Return how many seconds ago a frame came."""
        with self._changed:
            return time.monotonic() - self._times[index]

    def age(self, index: int) -> float:
        """Return how many seconds ago a frame came, and forget it."""
        with self._changed:
            return time.monotonic() - self._times.pop(index)

    def stop(self) -> None:
        """Let no more frames come; those that wait are not given out."""
        with self._changed:
            self._stopped.set()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait for the thread as long as a source may take to give a frame."""
        self.stop()
        self._thread.join(timeout=2.0)

    def _read(self) -> None:
        ended: BaseException = StopIteration()
        try:
            for frame in self._frames:
                if not self._take(frame):
                    break
        except BaseException as error:
            ended = error
        with self._changed:
            self._ended = ended
            self._changed.notify_all()

    def _take(self, frame: Frame) -> bool:
        """Let a frame wait; return whether another one is wanted."""
        with self._changed:
            self.captured += 1
            self._times[frame.index] = time.monotonic()
            if not self._drop:
                room = lambda: len(self._waiting) < self._most or self._stopped.is_set()  # noqa: E731
                self._changed.wait_for(room)
            elif len(self._waiting) == self._most:
                self._times.pop(self._waiting.popleft().index)
                self.dropped += 1
            self._waiting.append(frame)
            self._changed.notify_all()
            return not self._stopped.is_set()
