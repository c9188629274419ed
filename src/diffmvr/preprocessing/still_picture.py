"""One picture as a recording of one frame."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from diffmvr.preprocessing.frame_source import Frame, FrameSource, VideoInfo
from diffmvr.preprocessing.picture_folder import PICTURE_SUFFIXES, depth_of, read_frame
from diffmvr.preprocessing.video_io import open_frames


class StillPicture:
    """A picture file as a :class:`FrameSource`.

    Args:
        path: a .png or .jpg file.
        name: the argument's name, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or is neither grey nor RGB.
    """

    def __init__(self, path: Path, name: str = "input") -> None:
        self.path = path
        self.name = name
        height, width = read_frame(path, name).image.shape[:2]
        second = Fraction(1)
        self.info = VideoInfo(
            path.name, width, height, second, second, depth=depth_of([path]), frame_count=1
        )

    def __iter__(self) -> Iterator[Frame]:
        """Read the picture."""
        yield read_frame(self.path, self.name)


def open_recording(path: Path, name: str = "input", **options: Any) -> FrameSource:
    """Open a picture as a recording of one frame, and anything else by :func:`open_frames`.

    Args:
        path: a picture, a video file or a folder of pictures.
        name: the argument's name, for messages.
        options: of :func:`open_frames`; a picture needs none of them.
    """
    if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
        return StillPicture(path, name)
    return open_frames(path, name, **options)
