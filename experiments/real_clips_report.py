"""What ``real_clips.py`` finds out about the files of a restoration."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.media_files import open_to_read
from diffmvr.structures import UInt8Array

COLUMNS = (
    "Clip",
    "Size",
    "Frames/s",
    "Frames (with a hole)",
    "Hidden pixels",
    "Audio packets",
    "Frame count, times, rate, size and audio are the input's",
    "Changed bytes outside the mask",
    "Changed frames without a hole",
    "Past guide found",
    "Midline by landmarks",
    "Self-check, dB: model, past guide (share of the correction taken)",
)


@dataclass(frozen=True)
class Recording:
    """A recording as it lies on disk.

    Attributes:
        frames: ``[T, H, W, 3]`` uint8 RGB.
        times: T presentation times in seconds, exact.
        frame_rate: frames per second, exact.
        audio: the audio packets in order.
    """

    frames: UInt8Array
    times: list[Fraction]
    frame_rate: Fraction
    audio: list[bytes]

    @classmethod
    def from_video(cls, path: Path) -> "Recording":
        """Read a lossless video by PyAV alone, not by the reader that ``restore`` uses."""
        frames: list[UInt8Array] = []
        times: list[Fraction] = []
        with open_to_read(path) as container:
            stream: Any = container.streams.video[0]
            rate = stream.average_rate or Fraction(0)
            for frame in container.decode(stream):
                frames.append(frame.to_ndarray(format="rgb24"))
                times.append(frame.pts * frame.time_base)
        return cls(np.stack(frames), times, rate, audio_packets(path))

    @classmethod
    def from_source(cls, source: FrameSource) -> "Recording":
        """Take a folder of pictures, which has no audio."""
        frames = list(source)
        times = [frame.pts * source.info.time_base for frame in frames]
        return cls(np.stack([f.image for f in frames]), times, source.info.frame_rate, [])


def audio_packets(path: Path) -> list[bytes]:
    """Return the audio packets of a file in order; none where there is no audio."""
    with open_to_read(path) as container:
        audio = container.streams.audio
        return [bytes(packet) for packet in container.demux(*audio) if packet.size] if audio else []


@dataclass(frozen=True)
class Facts:
    """What was found in the files of one restoration.

    Attributes:
        clip: its name.
        size: ``"WIDTHxHEIGHT"`` of the input.
        frame_rate: frames per second of the input, exact.
        frames: number of frames of the input.
        hidden_frames: those with a hole.
        hidden_share: hidden share of all pixels.
        audio_packets: audio packets of the input.
        same_frame_count: whether the output has as many frames.
        same_times: whether each frame of the output has the time of the input's.
        same_frame_rate: whether the frame rate is the input's.
        same_size: whether the size is the input's.
        same_audio: whether the audio packets are the input's, byte for byte.
        changed_bytes_outside: bytes of visible pixels that differ from the input.
        changed_clear_frames: frames without a hole that differ from the input.
        past_guide_frames: hidden frames for which a past clear frame was found.
        landmark_frames: frames whose midline comes from landmarks.
        self_check: what the recording's own clear frames said, as in ``report.json``.
    """

    clip: str
    size: str
    frame_rate: str
    frames: int
    hidden_frames: int
    hidden_share: float
    audio_packets: int
    same_frame_count: bool
    same_times: bool
    same_frame_rate: bool
    same_size: bool
    same_audio: bool
    changed_bytes_outside: int
    changed_clear_frames: int
    past_guide_frames: int
    landmark_frames: int
    self_check: Mapping[str, Any] | None

    @property
    def broken(self) -> list[str]:
        """Names of what is not as it must be."""
        return [
            name
            for name, value in asdict(self).items()
            if (name.startswith("same_") and not value) or (name.startswith("changed_") and value)
        ]


def compare(
    clip: str,
    before: Recording,
    after: Recording,
    mask: UInt8Array,
    report: Mapping[str, Any],
) -> Facts:
    """Compare a restoration with its input.

    Args:
        clip: its name.
        before: the input.
        after: the lossless output.
        mask: ``[T, H, W]`` 0/1, 1 = hidden.
        report: the output's ``report.json``.
    """
    length, height, width, _ = before.frames.shape
    comparable = before.frames.shape == after.frames.shape
    hidden = mask.any(axis=(1, 2))
    # Of outputs that cannot be laid over the input every visible byte counts as changed.
    changed = 3 * np.count_nonzero(mask == 0, axis=(1, 2))
    if comparable:
        pairs = zip(before.frames, after.frames, mask, strict=True)
        changed = np.array([np.count_nonzero((a != b)[m == 0]) for a, b, m in pairs])
    return Facts(
        clip=clip,
        size=f"{width}x{height}",
        frame_rate=str(before.frame_rate),
        frames=length,
        hidden_frames=int(hidden.sum()),
        hidden_share=round(float(mask.mean()), 4),
        audio_packets=len(before.audio),
        same_frame_count=len(after.frames) == length,
        same_times=after.times == before.times,
        same_frame_rate=after.frame_rate == before.frame_rate,
        same_size=after.frames.shape[1:] == before.frames.shape[1:],
        same_audio=after.audio == before.audio,
        changed_bytes_outside=int(changed.sum()),
        changed_clear_frames=int(np.count_nonzero(changed[~hidden])),
        past_guide_frames=sum(row["past_index"] is not None for row in report["frames"]),
        landmark_frames=sum(row["axis_source"] == "landmarks" for row in report["frames"]),
        self_check=report["self_check"],
    )


def _self_check_text(check: Mapping[str, Any] | None) -> str:
    if check is None:
        return "too few clear frames"
    decibels = f"{check['psnr_model']:.1f}, {check['psnr_guide']:.1f}"
    return f"{decibels} ({check['correction_weight']:.0%})"


def save_facts(facts: Sequence[Facts], settings: Mapping[str, Any], folder: Path) -> None:
    """Write the facts as ``facts.json`` and, to be read, ``facts.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"settings": dict(settings), "clips": [asdict(one) for one in facts]}
    (folder / "facts.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    for one in facts:
        wrong = [name for name in one.broken if name.startswith("same_")]
        cells = (
            one.clip,
            one.size,
            one.frame_rate,
            f"{one.frames} ({one.hidden_frames})",
            f"{one.hidden_share:.1%}",
            one.audio_packets,
            f"no: {', '.join(wrong)}" if wrong else "yes",
            one.changed_bytes_outside,
            one.changed_clear_frames,
            f"{one.past_guide_frames}/{one.hidden_frames}",
            f"{one.landmark_frames}/{one.frames}",
            _self_check_text(one.self_check),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    (folder / "facts.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
