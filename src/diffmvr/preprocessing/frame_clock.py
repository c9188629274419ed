"""When the frames of a video file are shown: its own times where they can be used, else a rate.

A file is scanned once, packet by packet and without decoding, before it is read:

- Raw streams (.h264, …) have no times; their frames are numbered at a rate.
- AVI has the times at which packets are decoded, one after another; the frames are shown in their
  own order at these times.
- Matroska and WebM round times to 1 ms.  Where all of them lie on the grid of the track's rate they
  are put there exactly; a variable rate keeps the times that it has.
- Frames that share one time are shown a little later, one by one, by less than half a step.
"""

import itertools
import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from av.format import Flags

from diffmvr.parsing import MAX_RATE
from diffmvr.preprocessing.packets import Packets

DEFAULT_RATE = Fraction(25)
"""Frames per second of what has no times of its own."""

MIN_UNIT = Fraction(1, 2**31 - 1)
"""The finest unit of time that files can state, in seconds."""

MAX_GAP = 3600
"""Seconds between two frames; more is a fault of the file, as no recording holds."""


MAX_TICKS = 2**31 - 1
"""The same in units of time, as mp4 can state it."""


class ClockRun(Protocol):
    """Gives the frames of one pass their times."""

    def feed(self, packet: Any) -> None:
        """Take note of a packet, before it is decoded."""
        ...

    def place(self, frame: Any | None) -> tuple[int, int] | None:
        """Return time and duration of the next frame (``None``: a damaged one) in ``unit``.

        Returns:
            ``None`` if its time is not later than the one before.
        """
        ...


@dataclass(frozen=True)
class FrameClock:
    """What the times of a file are.

    Attributes:
        unit: seconds, of which all times are multiples.
        rate: average frames per second.
        typical: frames per second where no frame is late or missing.
        kind: ``"numbered"``, ``"decoded"`` (AVI) or ``"stated"``.
        tick: ``unit`` of the stream itself, in seconds.
        step: exact time between frames where it is constant, in ticks of the stream.
        origin: time of the first frame, in the same ticks.
        shared: by how many ticks later each frame is shown, for times that several share.
        notes: what the reader of a report should know.
    """

    unit: Fraction
    rate: Fraction
    typical: Fraction
    kind: str
    tick: Fraction = Fraction(1)
    step: Fraction | None = None
    origin: int = 0
    shared: dict[int, Fraction] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of_file(
        cls,
        container: Any,
        stream: Any,
        packets: Packets,
        fps: Fraction | None,
        what: str,
        fps_name: str = "fps",
    ) -> "FrameClock":
        """Find what the times of a file are.

        Args:
            container: PyAV's.
            stream: its video stream.
            packets: those of the stream.
            fps: frames per second to show it at, whatever its own times are; ``None`` keeps them.
            what: the argument's name and the file, for messages.
            fps_name: what ``fps`` is called where it is given, for messages.

        Raises:
            ValueError: if frames lie more than ``MAX_GAP`` or ``MAX_TICKS`` apart.
        """
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        raw = bool(container.format.flags & Flags.no_timestamps.value)
        times, missing = packets.times, packets.without_time
        if raw or (not fps and not times):
            return _numbered(
                fps or DEFAULT_RATE,
                f"the input has no times of its own: {fps or DEFAULT_RATE} frames per second are "
                + (f"those of {fps_name}" if fps else f"assumed; give {fps_name}=RATE for others"),
            )
        if fps:
            return _numbered(
                fps,
                f"the frames are shown at {fps} per second as {fps_name} tells, not at the file's "
                "own times, which its sound keeps",
            )
        if container.format.name == "avi":
            return cls(stream.time_base, rate, rate, "decoded", stream.time_base)
        typical = _typical_rate(times, stream.time_base, rate)
        notes = []
        if missing:
            notes.append(
                f"{missing} of {missing + len(times)} pictures have no time and follow the one "
                "before by one step"
            )
        step = None
        if "matroska" in container.format.name:
            step = _constant_step(times, stream)
        shared, refinement = _shared_times(times, 1 / (typical * stream.time_base))
        if shared:
            latest = float(max((n - 1) * s for n, s in shared.values()) * stream.time_base)
            notes.append(
                f"{sum(n - 1 for n, _ in shared.values())} of {len(times)} pictures have the same "
                f"time as the one before and are shown up to {1000 * latest:.1f} ms later"
            )
        unit = stream.time_base / refinement
        if step is not None:
            unit = _common_unit(unit, step * stream.time_base)
        longest = min(Fraction(MAX_GAP), MAX_TICKS * unit)
        _check_gaps(times, stream.time_base, longest, what, f"{fps_name}={typical}")
        return cls(
            unit=unit,
            rate=rate,
            typical=typical,
            kind="stated",
            tick=stream.time_base,
            step=step,
            origin=times[0],
            shared={time: shift for time, (_, shift) in shared.items()},
            notes=tuple(notes),
        )

    def start(self) -> ClockRun:
        """Begin a pass over the frames."""
        if self.kind == "numbered":
            return _Numbered()
        return _Decoded() if self.kind == "decoded" else _Stated(self)


def _numbered(rate: Fraction, note: str) -> FrameClock:
    return FrameClock(1 / rate, rate, rate, "numbered", notes=(note,))


class _Numbered:
    """One unit a frame."""

    def __init__(self) -> None:
        self._count = -1

    def feed(self, packet: Any) -> None:
        return None

    def place(self, frame: Any | None) -> tuple[int, int] | None:
        self._count += 1
        return self._count, 1


class _Decoded:
    """The n-th frame to be shown has the n-th time of decoding."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()
        self._last = -1

    def feed(self, packet: Any) -> None:
        if packet.size and packet.dts is not None:
            self._times.append(packet.dts)

    def place(self, frame: Any | None) -> tuple[int, int] | None:
        time = self._times.popleft() if self._times else self._last + 1
        if time <= self._last:
            return None
        self._last = time
        return time, 1


class _Stated:
    """The frames' own times, as a clock corrects them."""

    def __init__(self, clock: FrameClock) -> None:
        self._clock = clock
        self._ticks = clock.tick / clock.unit
        self._last: int | None = None
        self._seen: Counter[int] = Counter()

    def feed(self, packet: Any) -> None:
        return None

    def place(self, frame: Any | None) -> tuple[int, int] | None:
        if frame is None:
            return None
        clock = self._clock
        step = clock.step if clock.step is not None else 1 / (clock.typical * clock.tick)
        duration = Fraction(frame.duration or 0)
        if frame.pts is None:
            before = None if self._last is None else self._last / self._ticks + step
            time = Fraction(clock.origin) if before is None else before
        elif clock.step is not None:
            time = clock.origin + round((frame.pts - clock.origin) / step) * step
            duration = step
        else:
            time = Fraction(frame.pts)
            if frame.pts in clock.shared:
                time += self._seen[frame.pts] * clock.shared[frame.pts]
                self._seen[frame.pts] += 1
        place = int(time * self._ticks)
        if self._last is not None and place <= self._last:
            return None
        self._last = place
        return place, int(duration * self._ticks)


def _typical_rate(times: Sequence[int], unit: Fraction, average: Fraction) -> Fraction:
    """Return frames per second by the median step: one long gap changes an average much."""
    steps = sorted(after - before for before, after in itertools.pairwise(times) if after > before)
    if not steps:
        return min(average, Fraction(MAX_RATE))
    return min(1 / (steps[len(steps) // 2] * unit), Fraction(MAX_RATE))


def _check_gaps(
    times: Sequence[int], unit: Fraction, longest: Fraction, what: str, remedy: str
) -> None:
    for before, after in itertools.pairwise(times):
        if (after - before) * unit > longest:
            raise ValueError(
                f"{what} shows nothing between {float(before * unit):.3f} s and "
                f"{float(after * unit):.3f} s, so that its times are damaged; give {remedy} to "
                "show its frames one after another"
            )


def _constant_step(times: Sequence[int], stream: Any) -> Fraction | None:
    """Return the exact step, in ticks, if all times are those of the rate, rounded."""
    if not stream.average_rate:
        return None
    step = 1 / (stream.average_rate * stream.time_base)
    if step < 4 or _common_unit(stream.time_base, step * stream.time_base) < MIN_UNIT:
        return None
    off = (abs(times[0] + k * step - time) for k, time in enumerate(times))
    return step if all(distance <= 1 for distance in off) else None


def _shared_times(
    times: Sequence[int], step: Fraction
) -> tuple[dict[int, tuple[int, Fraction]], int]:
    """Spread frames of one time over less than half a step.

    Returns:
        For each shared time how many have it and the shift from one to the next, in ticks; and
        into how many parts a tick must be divided to state them.
    """
    shared, refinement = dict[int, tuple[int, Fraction]](), 1
    counts = Counter(times)
    if len(counts) == len(times):
        return shared, refinement
    distinct = sorted(counts)
    for time, after in itertools.zip_longest(distinct, distinct[1:]):
        count = counts[time]
        if count > 1:
            shift = (step / 2 if after is None else min(step / 2, Fraction(after - time))) / count
            # Whole ticks where they do, as the times of most files are fine enough.
            parts = 1 if shift >= 1 else math.ceil(1 / shift)
            shared[time] = count, Fraction(math.floor(shift * parts), parts)
            refinement = math.lcm(refinement, parts)
    return shared, refinement


def _common_unit(a: Fraction, b: Fraction) -> Fraction:
    """Return the largest fraction of which both are multiples."""
    denominator = math.lcm(a.denominator, b.denominator)
    return Fraction(math.gcd(int(a * denominator), int(b * denominator)), denominator)
