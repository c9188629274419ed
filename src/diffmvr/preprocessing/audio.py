"""Carry the audio of a recording over untouched: the same packets, in another file (PyAV)."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from diffmvr.preprocessing.media_files import open_to_read, open_to_write


class AudioCopy:
    """Copies every audio packet of a file into an output, byte for byte.

    Args:
        source: the file to copy from.
        output: an open PyAV output container; the streams are added to it here.
    """

    def __init__(self, source: Path, output: Any) -> None:
        self._output = output
        self._input: Any = open_to_read(source)
        self._streams = {
            stream.index: output.add_stream_from_template(stream)
            for stream in self._input.streams.audio
        }
        self._packets = self._read()
        self._next = next(self._packets, None)

    def copy_until(self, time: Fraction | None) -> None:
        """Copy the packets that start before ``time`` (seconds); all that are left for ``None``.

        In step with the video, so that neither has to be held in memory.
        """
        while self._next is not None:
            packet = self._next
            if time is not None and packet.dts * packet.time_base >= time:
                return
            packet.stream = self._streams[packet.stream_index]
            self._output.mux_one(packet)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _read(self) -> Iterator[Any]:
        if self._streams:
            for packet in self._input.demux(*self._input.streams.audio):
                if packet.size:
                    yield packet


def copy_audio(source: Path, path: Path) -> None:
    """Write the audio tracks of ``source``, unchanged, into the Matroska file ``path``."""
    with open_to_write(path, "matroska") as output:
        copy = AudioCopy(source, output)
        try:
            copy.copy_until(None)
        finally:
            copy.close()


def suffix_for(formats: dict[str, str], source: Path) -> str:
    """Choose the first format that can hold the audio tracks of a file as they are.

    Args:
        formats: file suffixes and FFmpeg's names of the formats, the preferred one first.
        source: the file whose audio is to be copied.

    Returns:
        One of the suffixes.

    Raises:
        ValueError: if none can hold them.
    """
    with open_to_read(source) as opened:
        for suffix, name in formats.items():
            if _holds(name, opened.streams.audio):
                return suffix
        codecs = sorted(
            {stream.codec_context.codec.canonical_name for stream in opened.streams.audio}
        )
    raise ValueError(
        f"audio: the codec {', '.join(codecs)} of {source} cannot be copied unchanged into "
        f"{' or '.join(formats)}; convert the audio to AAC first, or drop it with audio=false"
    )


def _holds(name: str, streams: Any) -> bool:
    """Try in memory whether the format takes the streams; any format takes none."""
    if not streams:
        return True
    try:
        with av.open(io.BytesIO(), "w", format=name) as trial:
            for stream in streams:
                trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True
