"""Small recordings on disk whose frames, times and audio are known exactly."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.structures import UInt8Array

NTSC = Fraction(30000, 1001)
SAMPLE_RATE = 48_000


def moving_frames(count: int = 12, width: int = 96, height: int = 72, seed: int = 0) -> UInt8Array:
    """``[T, H, W, 3]``: a smooth coloured texture that moves right by one pixel a frame."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 3.0, borderType=cv2.BORDER_REPLICATE)
    texture = np.round(255 * (blurred - blurred.min()) / np.ptp(blurred)).astype(np.uint8)
    return np.stack([np.roll(texture, t, axis=1) for t in range(count)])


def box_masks(count: int = 12, width: int = 96, height: int = 72, arrival: int = 3) -> UInt8Array:
    """``[T, H, W]`` 0/1: a box that is there from frame ``arrival`` on and moves left."""
    masks = np.zeros((count, height, width), np.uint8)
    for t in range(arrival, count):
        x = width // 2 - t
        masks[t, height // 3 : 2 * height // 3, x : x + width // 4] = 1
    return masks


class FramesInMemory:
    """A ``FrameSource`` that counts how many of its frames are alive at the same time.

    Args:
        images: ``[T, H, W, 3]``.

    Attributes:
        most_alive: the largest count so far.
    """

    path = Path("frames")

    def __init__(self, images: UInt8Array) -> None:
        self.images = images
        self.most_alive = 0
        self._alive: weakref.WeakSet[Frame] = weakref.WeakSet()
        _, height, width, _ = images.shape
        self.info = VideoInfo("frames", width, height, Fraction(25), Fraction(1, 25))

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self.images):
            frame = Frame(index, index, 1, image.copy())
            self._alive.add(frame)
            self.most_alive = max(self.most_alive, len(self._alive))
            yield frame


class MasksInMemory:
    """A ``MaskSource`` of the masks ``[T, H, W]``, or of a single one ``[H, W]`` without end."""

    path = Path("masks")
    notes = ()

    def __init__(self, masks: UInt8Array) -> None:
        self.masks = masks
        self.endless = masks.ndim == 2

    def __iter__(self) -> Iterator[UInt8Array]:
        if self.endless:
            return repeat(self.masks)
        return iter(self.masks)


def write_pictures(folder: Path, images: UInt8Array, name: str = "{:05d}.png") -> Path:
    """Write one picture per frame and return the folder."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / name.format(index))
    return folder


def write_video(
    path: Path,
    frames: UInt8Array,
    rate: Fraction = Fraction(25),
    codec: str = "libx264rgb",
    pix_fmt: str = "rgb24",
    times: Callable[[int], int] | None = None,
    time_base: Fraction | None = None,
    rotation: tuple[float, bool] | None = None,
    audio: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video; the default codec keeps RGB exactly.

    Args:
        path: the file; its suffix chooses the container.
        frames: ``[T, H, W, 3]`` as stored (before any rotation flag).
        rate: frames per second.
        codec: encoder; H.264 and VP9 run at their best quality.
        pix_fmt: pixel format of the stored frames.
        times: ``pts`` of a frame number; one tick per frame by default.
        time_base: unit of the times; 1 / rate by default.
        rotation: degrees counter-clockwise and whether to mirror afterwards, as a flag.
        audio: encoder of a tone as long as the video.
        options: of the container.
    """
    unit = time_base or 1 / rate
    quality = {"crf": "0"} if codec.startswith("libx264") else {}
    with av.open(str(path), "w", options=options or {}) as output:
        stream: Any = output.add_stream(codec, rate=rate, options=quality)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = unit
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        sound: Any = output.add_stream(audio, rate=SAMPLE_RATE) if audio else None
        for index, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pix_fmt)
            picture.pts = times(index) if times else index
            picture.time_base = unit
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
        if sound is not None:
            _write_tone(output, sound, len(frames) / rate)
    return path


def retimed(source: Path, path: Path, times: Sequence[int]) -> Path:
    """Copy the video of a Matroska file without B-frames, with other times in milliseconds."""
    with av.open(str(source)) as opened, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(opened.streams.video[0])
        packets = [packet for packet in opened.demux(video=0) if packet.size]
        for packet, time in zip(packets, times, strict=True):
            # The times of decoding must not go back; Matroska does not store them.
            packet.pts, packet.dts = time, min(times)
            packet.stream = stream
            output.mux_one(packet)
    return path


def audio_packets(path: Path, heard: bool = False) -> list[bytes]:
    """Return the audio packets of a file in order; with ``heard`` those that are not cut off."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        packets = container.demux(*container.streams.audio)
        return [bytes(p) for p in packets if p.size and not (heard and p.is_discard)]


def video_times(path: Path) -> tuple[list[Fraction], Fraction]:
    """Return the frames' times in seconds and the average frame rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
        return times, stream.average_rate


def _write_tone(output: Any, stream: Any, seconds: Fraction) -> None:
    layout = stream.codec_context.layout.name if stream.codec_context.layout else "mono"
    channels = stream.codec_context.layout.nb_channels
    step = stream.codec_context.frame_size or 960
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.tile(0.3 * np.sin(2 * np.pi * 440 * time), (channels, 1)).astype(np.float32)
    for start in range(0, tone.shape[1] - step + 1, step):
        part = av.AudioFrame.from_ndarray(tone[:, start : start + step].copy(), "fltp", layout)
        part.sample_rate = SAMPLE_RATE
        part.pts = start
        part.time_base = Fraction(1, SAMPLE_RATE)
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))


def without_decoder(mp4: bytes) -> bytes:
    """Return an H.264 file whose stream names a codec that nobody has."""
    assert mp4.count(b"avc1") >= 1
    return mp4.replace(b"avc1", b"zzz1")
