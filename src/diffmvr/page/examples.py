"""A rendered recording, so that the page can be tried with nothing."""

from fractions import Fraction
from pathlib import Path

from diffmvr.data.synthetic.clip import render_clip
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.video_writer import VideoWriter

EXAMPLE = "rendered-example.mp4"
# Other people than those whom the shipped models have seen.
SEED, SUBJECT, CLIP = 2026, 4, 1
SIZE, FRAMES, RATE = 256, 40, Fraction(20)


def render_example(path: Path, size: int = SIZE, frames: int = FRAMES) -> None:
    """Write a short film of a rendered face that something hides for a while.

    Args:
        path: the file to write, ending in .mp4.
        size: side of the square frames, in pixels.
        frames: how many.
    """
    clip = render_clip(SEED, SUBJECT, CLIP, size=size, num_frames=frames)
    info = VideoInfo(path.name, size, size, RATE, 1 / RATE)
    with VideoWriter(path, info) as writer:
        for index, image in enumerate(clip.observed):
            writer.write(Frame(index, index, 1, image))
