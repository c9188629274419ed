"""A clip in memory as a small video to look at."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.structures import UInt8Array


def side_by_side(images: list[UInt8Array], upscale: int = 1) -> UInt8Array:
    """Join pictures or clips ``[..., H, W, 3]`` left to right, each pixel ``upscale`` times."""
    joined = np.concatenate(images, axis=-2)
    return joined.repeat(upscale, axis=-3).repeat(upscale, axis=-2)


def write_clip(frames: UInt8Array, path: Path, fps: int = 8) -> Path:
    """Write ``[T, H, W, 3]`` frames as H.264 and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, height, width, _ = frames.shape
    info = VideoInfo(path.name, width, height, Fraction(fps), Fraction(1, fps))
    with VideoWriter(path, info) as writer:
        for index, image in enumerate(frames):
            writer.write(Frame(index, index, 1, image))
    return path
