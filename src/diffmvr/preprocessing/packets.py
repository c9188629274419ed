"""What the packets of a video track tell before any is decoded: times, and if all are there."""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av


@dataclass(frozen=True)
class Packets:
    """The packets of a track.

    Attributes:
        times: of all pictures that are shown, sorted, in ticks of the stream.
        without_time: how many pictures have none.
        whole: how many packets there are, without one that ends early.
        end: of the last picture, in seconds.
    """

    times: Sequence[int]
    without_time: int
    whole: int
    end: Fraction


@dataclass(frozen=True)
class Promise:
    """What a container says of its video track, to be read before its packets are.

    Attributes:
        packets: how many the index lists (mp4 and mov, which write it once); ``None``: unknown.
        end: the track's end in seconds as Matroska tags tell it; 0 where they do not.
        slack: by how many seconds the end may be missed.
    """

    packets: int | None
    end: Fraction
    slack: Fraction

    @classmethod
    def of(cls, container: Any, stream: Any, rate: Fraction) -> "Promise":
        """Read what a container that was just opened promises; ``rate`` is frames per second."""
        packets = len(stream.index_entries) if "mp4" in container.format.name else None
        return cls(packets, _tagged_end(stream), max(Fraction(1, 10), 2 / rate))

    def shortage(self, packets: int, end: Fraction) -> str:
        """Say what is promised where less is there; empty if all is.

        Args:
            packets: how many there are.
            end: of the last picture that there is, in seconds.
        """
        if self.packets is not None and packets < self.packets:
            return f"the container promises {self.packets}"
        if self.end - end > self.slack:
            return f"the container promises {float(self.end):.3f} s of video"
        return ""


def scan_packets(container: Any, stream: Any) -> Packets:
    """Read a container that was just opened to its end; what is damaged ends it, too."""
    times, without_time, whole, end = array("q"), 0, 0, 0
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            whole += not packet.is_corrupt
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0))
            if packet.is_discard:
                continue
            if packet.pts is None:
                without_time += 1
            else:
                times.append(packet.pts)
    except av.FFmpegError:
        # The first pass over the pictures says what is wrong.
        pass
    return Packets(array("q", sorted(times)), without_time, whole, Fraction(end * stream.time_base))


def _tagged_end(stream: Any) -> Fraction:
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if match is None:
        return Fraction(0)
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
