"""Open a recording, whatever it is stored as."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from diffmvr.preprocessing.frame_clock import DEFAULT_RATE
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.picture_folder import FrameFolder
from diffmvr.preprocessing.video_reader import VideoFile


def open_frames(
    path: Path,
    name: str = "input",
    fps: Fraction | None = None,
    allow_truncated: bool = False,
    threads: int = 0,
    on_lost: Callable[[int], None] | None = None,
    fps_name: str = "fps",
) -> FrameSource:
    """Open a video file or a folder of pictures.

    Args:
        path: an mp4, mov, mkv or webm file (whatever FFmpeg reads), or a folder of .png or .jpg.
        name: the argument's name, for messages.
        fps: frames per second; ``None`` keeps a video's own times, and takes 25 where there are
            none, as in a folder of pictures.
        allow_truncated: whether to accept a file that ends before its container says.
        threads: decoding threads; 0 lets FFmpeg choose.
        on_lost: called with the number of each frame of a video that is damaged or depends on a
            damaged one, which is then left out; without it damage is an error.
        fps_name: what ``fps`` is called where it is given, for messages.

    Raises:
        FileNotFoundError: if there is nothing at ``path``.
        ValueError: if it holds no frame that can be read.
    """
    if path.is_dir():
        return FrameFolder(path, name, fps or DEFAULT_RATE)
    if not path.is_file():
        raise FileNotFoundError(f"{name}: there is no file or folder {path}; check the path")
    return VideoFile(path, name, allow_truncated, threads, on_lost, fps, fps_name)
