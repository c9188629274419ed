"""Read a video file frame by frame, upright, with its own times (PyAV)."""

import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Colorspace, Interpolation

from diffmvr.preprocessing.audio import codec_name
from diffmvr.preprocessing.frame_clock import DEFAULT_RATE, FrameClock
from diffmvr.preprocessing.frame_source import BT601, BT709, UNSPECIFIED, Frame, VideoInfo
from diffmvr.preprocessing.media_files import open_to_read
from diffmvr.preprocessing.packets import Promise, scan_packets
from diffmvr.preprocessing.stored_pixels import StoredPixels

log = logging.getLogger(__name__)

CONVERSION = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
"""How colours are converted between YUV and RGB, both ways: rounded, chroma interpolated."""

REMUX = "remux it (ffmpeg -i INPUT -c copy NEW.mkv)"

INTERLACED_NOTE = (
    "the input is interlaced, and the output shows both fields in one frame, as combs where "
    "something moves; deinterlace it first: ffmpeg -i INPUT -vf bwdif -c:v ffv1 -c:a copy NEW.mkv"
)
_INTERLACED = (2, 3, 4, 5)
"""FFmpeg's orders of fields; 0 and 1 are unknown and progressive."""

_HDR_DATA = (SideDataType.MASTERING_DISPLAY_METADATA, SideDataType.CONTENT_LIGHT_LEVEL)


class VideoFile:
    """A video file, read upright with its own times.

    Args:
        path: the file.
        name: the argument's name, for messages.
        allow_truncated: whether to read up to the end of a file that was cut off, and pictures that
            FFmpeg patched up because their data are damaged.
        threads: decoding threads; 0 lets FFmpeg choose.
        on_lost: called with the number of each frame that is damaged or depends on a damaged one,
            which is then left out; without it damage is an error.
        fps: frames per second to show it at; ``None`` keeps its own times, and takes 25 for a file
            that has none.
        fps_name: what ``fps`` is called where it is given, for messages.

    Raises:
        ValueError: if it is not a video, it is cut off (unless that is allowed), its first frame
            cannot be decoded, or its times are damaged.
    """

    def __init__(
        self,
        path: Path,
        name: str = "input",
        allow_truncated: bool = False,
        threads: int = 0,
        on_lost: Callable[[int], None] | None = None,
        fps: Fraction | None = None,
        fps_name: str = "fps",
    ) -> None:
        self.path = path
        self.name = name
        self.allow_truncated = allow_truncated
        self.threads = threads
        self.on_lost = on_lost
        self.fps_name = fps_name
        self._told: set[str] = set()
        with self._open() as container:
            stream = _video_stream(container, path, name)
            rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
            self._promise = Promise.of(container, stream, rate)
            packets = scan_packets(container, stream)
            self._clock = FrameClock.of_file(
                *(container, stream, packets, fps, f"{name}: {path}", fps_name)
            )
        with self._open() as container:
            stream = _video_stream(container, path, name)
            first = self._first_frame(container, stream)
            self._orientation = _orientation(first)
            self._matrix = first.colorspace
            if self._matrix == UNSPECIFIED:
                # What players assume: HDTV's matrix for HD sizes, BT.601 below.
                self._matrix = BT709 if max(first.width / 16, first.height / 9) >= 80 else BT601
            self.info = self._describe(container, stream, first)
        shortage = self._promise.shortage(packets.whole, packets.end)
        if shortage and not allow_truncated:
            # Not after hours: that all is there can be seen without decoding.
            self._cut_off(packets.whole, shortage)

    def __iter__(self) -> Iterator[Frame]:
        """Decode the frames in order.

        Raises:
            ValueError: if the file is damaged or cut off (unless that is allowed), or a frame has
                no later time than the one before, or another size than the first.
        """
        count, packets, shortage = 0, 0, ""
        clock = self._clock.start()
        damaged: int | None = None
        with self._open() as container:
            stream = _video_stream(container, self.path, self.name)
            end = Fraction(0)
            try:
                pictures = _Pictures(self.on_lost is not None)
                for packet in container.demux(stream):
                    packets += packet.size > 0
                    clock.feed(packet)
                    for frame in pictures.decode(packet):
                        place = clock.place(frame)
                        if self.on_lost and (frame is None or place is None):
                            self._lose(count)
                            count += 1
                            continue
                        time, duration = self._check_frame(frame, count, place)
                        damaged = count if frame.is_corrupt and damaged is None else damaged
                        end = max(end, _end(frame))
                        stored = self._to_rgb(frame)
                        deep = stored if stored.deep else None
                        yield Frame(count, time, duration, stored.rgb(), deep)
                        count += 1
            except av.FFmpegError as error:
                shortage = f"the next cannot be decoded ({error.strerror})"
        shortage = self._promise.shortage(packets, end) or shortage
        if shortage:
            self._cut_off(count, shortage)
        elif damaged is not None:
            self._allow(
                f"{self.name}: frame {damaged} of {self.path} is damaged, and others may be",
                "fetch the file again, or take what FFmpeg makes of it with allow_truncated=true",
            )

    def _open(self) -> Any:
        container = open_to_read(self.path, self.name)
        for stream in container.streams.video:
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = self.threads
            if self.on_lost is not None:
                # Otherwise FFmpeg patches damaged pictures up and passes them off as whole.
                stream.codec_context.options = {"err_detect": "explode"}
        return container

    def _lose(self, index: int) -> None:
        if self.on_lost is not None:
            self.on_lost(index)

    def _first_frame(self, container: Any, stream: Any) -> Any:
        try:
            pictures = _Pictures(self.on_lost is not None)
            frames = (f for packet in container.demux(stream) for f in pictures.decode(packet))
            first = next((frame for frame in frames if frame is not None), None)
        except av.FFmpegError as error:
            raise ValueError(
                f"{self.name}: the first frame of {self.path} cannot be decoded ({error.strerror});"
                " give a video that plays"
            ) from error
        if first is None:
            raise ValueError(
                f"{self.name}: {self.path} has no frames that can be decoded; "
                "give a video that plays"
            )
        return first

    def _describe(self, container: Any, stream: Any, first: Any) -> VideoInfo:
        height, width = _turn(np.empty((first.height, first.width, 0)), self._orientation).shape[:2]
        aspect = stream.sample_aspect_ratio or Fraction(1)
        notes = list(self._clock.notes)
        others = [
            s.type for s in container.streams if s.type != "audio" and s.index != stream.index
        ]
        if others:
            notes.append(f"other tracks of the input are left out: {', '.join(others)}")
        if self._orientation != (False, False, False):
            notes.append("the input carries a rotation flag; the output is upright without one")
        if first.interlaced_frame or stream.codec_context.field_order in _INTERLACED:
            notes.append(INTERLACED_NOTE)
        if any(first.side_data.get(kind) is not None for kind in _HDR_DATA):
            notes.append("what the input says of the display that it was graded on is not kept")
        return VideoInfo(
            name=self.path.name,
            width=width,
            height=height,
            frame_rate=self._clock.rate,
            time_base=self._clock.unit,
            pixel_aspect=1 / aspect if self._orientation[0] else aspect,
            color=(self._matrix or BT709, first.color_primaries, first.color_trc),
            depth=max(component.bits for component in first.format.components),
            transparent=stream.metadata.get("alpha_mode") == "1"
            or any(component.is_alpha for component in first.format.components),
            frame_count=stream.frames or None,
            audio=tuple(codec_name(audio) for audio in container.streams.audio),
            language=stream.metadata.get("language"),
            notes=tuple(notes),
        )

    def _check_frame(
        self, frame: Any, index: int, place: tuple[int, int] | None
    ) -> tuple[int, int]:
        if place is None:
            raise ValueError(
                f"{self.name}: the time of frame {index} of {self.path} is not later than the one "
                f"before; give {self.fps_name}={self._clock.typical} to show its frames one after "
                "another"
            )
        turned = self._orientation[0]
        size = (frame.height, frame.width) if turned else (frame.width, frame.height)
        if size != (self.info.width, self.info.height):
            raise ValueError(
                f"{self.name}: frame {index} of {self.path} is {size[0]}x{size[1]} but the first "
                f"is {self.info.size}; scale the video to one size"
            )
        return place

    def _to_rgb(self, frame: Any) -> StoredPixels:
        # Only an unmarked YUV frame needs telling; marks are honoured by themselves.
        unmarked = frame.colorspace == UNSPECIFIED and self._matrix == BT709
        image = frame.to_ndarray(
            format="rgb48le" if self.info.depth > 8 else "rgb24",
            src_colorspace=Colorspace.ITU709 if unmarked else None,
            interpolation=CONVERSION,
            threads=1,
        )
        return StoredPixels(np.ascontiguousarray(_turn(image, self._orientation)))

    def _cut_off(self, count: int, shortage: str) -> None:
        message = f"{self.name}: {self.path} is cut off: {count} frames could be read, {shortage}"
        remedy = f"fetch the file again or {REMUX}, or restore the {count} frames with "
        self._allow(message, f"{remedy}allow_truncated=true", bool(count))

    def _allow(self, message: str, remedy: str, usable: bool = True) -> None:
        """Say once what is wrong with the file, if it is to be read all the same."""
        if not (self.allow_truncated and usable):
            raise ValueError(f"{message}; {remedy}")
        if message not in self._told:
            log.warning(message)
            self._told.add(message)


class _Pictures:
    """Decodes the packets of one pass.

    Args:
        skip_damage: whether to pass over what cannot be decoded, up to the next key frame: until
            then pictures are made of damaged ones.
    """

    def __init__(self, skip_damage: bool) -> None:
        self.skip_damage = skip_damage
        self._damaged = False

    def decode(self, packet: Any) -> Iterator[Any]:
        """Yield the pictures that a packet completes; ``None`` for each that is lost."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            if not self.skip_damage:
                raise
            self._damaged = True
            yield None
            return
        for frame in frames:
            if self.skip_damage and frame.is_corrupt:
                self._damaged = True
            elif frame.key_frame:
                self._damaged = False
            yield None if self._damaged else frame


def _video_stream(container: Any, path: Path, name: str) -> Any:
    """Return the first stream of moving pictures."""
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams or container.format.name.endswith("_pipe"):
        kind = "a single picture" if streams else "without a video track"
        raise ValueError(
            f"{name}: {path} is {kind}; give an mp4, mov, mkv or webm file, or a folder of frames"
        )
    return streams[0]


def is_video(path: Path) -> bool:
    """Return whether a file opens and has moving pictures; nothing of them is decoded."""
    try:
        with open_to_read(path) as container:
            _video_stream(container, path, "input")
    except (ValueError, FileNotFoundError):
        return False
    return True


def _end(frame: Any) -> Fraction:
    """Return the end of a frame in seconds as the file tells it; 0 where it does not."""
    if frame.pts is None:
        return Fraction(0)
    return Fraction((frame.pts + (frame.duration or 0)) * frame.time_base)


def _orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Read the display matrix: whether to transpose, then to flip rows, then columns.

    FFmpeg's matrix (a, b; c, d) moves a stored pixel (x, y) to (a·x + c·y, b·x + d·y); turns other
    than quarter turns are not met in recordings and round to the nearest one.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return False, False, False
    (a, b, _), (c, d, _), _ = np.frombuffer(bytes(data), np.int32).reshape(3, 3).tolist()
    if abs(b) > abs(a):
        return True, b < 0, c < 0
    return False, d < 0, a < 0


def _turn(image: Any, orientation: tuple[bool, bool, bool]) -> Any:
    """Apply an orientation to ``[H, W, C]``."""
    transpose, flip_rows, flip_columns = orientation
    if transpose:
        image = image.transpose(1, 0, 2)
    return image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
