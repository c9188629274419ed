"""What the files of a folder are: videos, pictures, or neither."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from diffmvr.preprocessing.picture_folder import PICTURE_SUFFIXES
from diffmvr.preprocessing.video_reader import is_video

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".3gp", ".3g2"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".ogv", ".dv"),
)
"""Files called so are recordings, also where they cannot be opened: that is then their error."""

LISTED = 10
"""Most names in a message."""


@dataclass(frozen=True)
class FolderContents:
    """Files by what they are.

    Attributes:
        videos: named like one (``VIDEO_SUFFIXES``, in any case), or with moving pictures in them.
        pictures: .png and .jpg files, by name.
        others: what is left.
    """

    videos: tuple[Path, ...]
    pictures: tuple[Path, ...]
    others: tuple[Path, ...]


def sort_files(paths: Iterable[Path]) -> FolderContents:
    """Tell videos, pictures and other files apart; folders that can be read are passed over.

    A file of another name is opened, so that no suffix has to be known.  A link that leads nowhere
    is what its name says, so that it is reported.
    """
    files = sorted(path for path in paths if not (path.is_dir() and os.access(path, os.R_OK)))
    pictures = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    rest = [path for path in files if path.suffix.lower() not in PICTURE_SUFFIXES]
    videos = [
        p for p in rest if p.suffix.lower() in VIDEO_SUFFIXES or (p.is_file() and is_video(p))
    ]
    others = [path for path in rest if path not in set(videos)]
    return FolderContents(tuple(videos), tuple(pictures), tuple(others))


def list_left_out(root: Path, paths: Sequence[Path], why: str) -> None:
    """Say which files of a folder are not used."""
    if paths:
        names = ", ".join(path.relative_to(root).as_posix() for path in paths[:LISTED])
        more = f" and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
        log.warning("left out, %s: %s%s", why, names, more)
