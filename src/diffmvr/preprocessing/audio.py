"""Carry the audio of a recording over untouched: the same packets, in another file (PyAV).

What a player does not play, because an edit list cuts it off, is never heard again: containers with
edit lists get it with its marks, others do not get it.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from diffmvr.preprocessing.media_files import open_to_read, open_to_write

EDITABLE = ("mp4", "mov", "ipod")
"""Containers that can begin within a packet of sound, by FFmpeg's names."""

_PLAIN_WORDS = frozenset(
    (
        *("audio", "sound", "track", "stereo", "mono", "surround", "original", "commentary"),
        *("description", "music", "effects", "dialogue", "voice", "microphone", "mic", "camera"),
        *("internal", "external", "left", "right", "main", "channel"),
    )
)
"""What titles may be made of that cannot name a person."""


@dataclass(frozen=True)
class AudioPlan:
    """Where the audio of a recording is copied to.

    Attributes:
        source: the recording.
        suffix: of the file.
        file_format: FFmpeg's name of its format.
        kept: how many tracks it takes.
        notes: what the reader of a report should know.
    """

    source: Path
    suffix: str
    file_format: str
    kept: int
    notes: tuple[str, ...]


class AudioCopy:
    """Copies the audio packets of a file into an output, byte for byte.

    Tracks that the output's format cannot hold are passed over; see :func:`plan_audio`.

    Args:
        source: the file to copy from.
        output: an open PyAV output container; the streams are added to it here.
    """

    def __init__(self, source: Path, output: Any) -> None:
        self._source, self._output = source, output
        self._format = output.format.name
        self._input: Any = open_to_read(source)
        self._streams = {}
        for stream in self._input.streams.audio:
            if _holds(self._format, stream):
                copy = output.add_stream_from_template(stream)
                copy_description(stream, copy)
                self._streams[stream.index] = copy
        self._packets = self._read()
        self._next = next(self._packets, None)

    def copy_until(self, time: Fraction | None) -> None:
        """Copy the packets that start before ``time`` (seconds); all that are left for ``None``.

        In step with the video, so that neither has to be held in memory.

        Raises:
            ValueError: if the output does not take one.
        """
        while self._next is not None:
            packet = self._next
            if (
                time is not None
                and packet.dts is not None
                and packet.dts * packet.time_base >= time
            ):
                return
            packet.stream = self._streams[packet.stream_index]
            try:
                self._output.mux_one(packet)
            except av.FFmpegError as error:
                raise ValueError(
                    f"audio: the sound of {self._source} cannot be copied ({error.strerror}); "
                    "leave it out with audio=false"
                ) from error
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _read(self) -> Iterator[Any]:
        if self._streams:
            for packet in self._input.demux(*(self._input.streams[i] for i in self._streams)):
                unheard = packet.is_discard and self._format not in EDITABLE
                if packet.size and not unheard:
                    yield packet


def copy_audio(source: Path, path: Path, file_format: str = "matroska") -> None:
    """Write the audio tracks of ``source``, unchanged, into a file of their own."""
    with open_to_write(path, file_format) as output:
        copy = AudioCopy(source, output)
        try:
            copy.copy_until(None)
        finally:
            copy.close()


def plan_audio(formats: Mapping[str, str], source: Path) -> AudioPlan:
    """Choose the first format that holds all audio tracks of a file as they are, else the most.

    Args:
        formats: file suffixes and FFmpeg's names of the formats, the preferred one first.
        source: the file whose audio is to be copied.
    """
    with open_to_read(source) as opened:
        streams = opened.streams.audio
        held = {
            suffix: [stream for stream in streams if _holds(name, stream)]
            for suffix, name in formats.items()
        }
        first = next(iter(formats))
        suffix = max(held, key=lambda suffix: len(held[suffix]))
        names = {stream.index: codec_name(stream) for stream in streams}
        notes = []
        if suffix != first:
            lost = [names[s.index] for s in held[suffix] if s not in held[first]]
            notes.append(
                f"the audio ({', '.join(lost)}) does not fit into {first}: {suffix} is written"
            )
        for number, stream in enumerate(streams, start=1):
            if stream in held[suffix]:
                continue
            remedy = "; convert it to AAC first to keep it"
            if stream.codec_context is None:
                remedy = ", and nothing here can decode it"
            notes.append(
                f"audio track {number} ({names[stream.index]}) is left out: "
                f"{' and '.join(formats)} cannot hold it{remedy}"
            )
        kept = tuple(stream.index for stream in held[suffix])
        if formats[suffix] not in EDITABLE:
            notes += _early_sound(opened, kept)
        titles = sum(1 for s in held[suffix] if title_of(s) and not plain_title(s))
        if titles:
            notes.append(f"{titles} titles of audio tracks are left out: they may name a person")
    return AudioPlan(source, suffix, formats[suffix], len(kept), tuple(notes))


def is_trimmed(source: Path) -> bool:
    """Return whether a player leaves out the beginning of a file's sound."""
    with open_to_read(source) as opened:
        streams = opened.streams.audio
        first = next((p for p in opened.demux(*streams) if p.size), None) if streams else None
        return first is not None and bool(first.is_discard)


def codec_name(stream: Any) -> str:
    """Return the name of a stream's codec, ``"unknown codec"`` where FFmpeg has none."""
    if stream.codec_context is None:
        return "unknown codec"
    return str(stream.codec_context.codec.canonical_name)


def copy_description(source: Any, target: Any) -> None:
    """Describe a stream as another is: its language, its role, a title that names nobody."""
    for key in ("language", "title"):
        value = plain_title(source) if key == "title" else source.metadata.get(key)
        if value and value != "und":
            target.metadata[key] = value
    target.disposition = source.disposition


def title_of(stream: Any) -> str:
    """Return the title of a stream; mp4 and mov call it its name."""
    return str(stream.metadata.get("title") or stream.metadata.get("name") or "")


def plain_title(stream: Any) -> str | None:
    """Return the title of a stream if it consists of technical words and numbers."""
    title = title_of(stream)
    words = re.findall(r"[^\W\d_]+", title.casefold())
    return title if words and all(word in _PLAIN_WORDS for word in words) else None


def _early_sound(opened: Any, kept: tuple[int, ...]) -> list[str]:
    """Say if sound from before the start is heard, as a packet cannot be cut."""
    early = Fraction(0)
    if "matroska" in opened.format.name:
        # It states what of a packet is not to be heard, and so does the copy; Opus does by itself.
        return []
    waiting = {index for index in kept if "opus" not in opened.streams[index].codec_context.name}
    for packet in opened.demux(*(opened.streams[index] for index in waiting)) if waiting else ():
        if packet.size and not packet.is_discard and packet.stream_index in waiting:
            waiting.remove(packet.stream_index)
            early = max(early, -(packet.pts or 0) * packet.time_base)
        if not waiting:
            break
    if not early:
        return []
    return [
        f"the sound begins {1000 * float(early):.0f} ms earlier than the input's, whose first "
        "packet is cut: Matroska holds whole packets; format=mp4 cuts it"
    ]


def _holds(name: str, stream: Any) -> bool:
    """Try in memory whether a format takes a stream."""
    if stream.codec_context is None:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=name) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True
