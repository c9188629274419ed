"""Pictures on disk, one by one or as the frames of a recording."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.stored_pixels import is_deep, read_stored
from diffmvr.structures import UInt8Array

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


class FrameFolder:
    """A folder of pictures, in natural order (frame2 before frame10).

    Args:
        path: the folder; what is not called .png or .jpg is left out, with a note.
        name: the argument's name, for messages.
        fps: frames per second.

    Raises:
        ValueError: if it holds no picture, or the frame rate is not positive.
    """

    def __init__(self, path: Path, name: str = "input", fps: Fraction = Fraction(25)) -> None:
        if fps <= 0:
            raise ValueError(f"fps: expected a positive number such as 25 or 30000/1001, got {fps}")
        self.path = path
        self.name = name
        self.files = list_pictures(path, PICTURE_SUFFIXES, name)
        height, width = read_frame(self.files[0], name).image.shape[:2]
        self.info = VideoInfo(
            name=path.name,
            width=width,
            height=height,
            frame_rate=fps,
            time_base=1 / fps,
            depth=depth_of(self.files),
            frame_count=len(self.files),
            notes=_passed_over(path),
        )

    def __iter__(self) -> Iterator[Frame]:
        """Read the pictures in order.

        Raises:
            ValueError: if one cannot be read or has another size than the first.
        """
        for index, file in enumerate(self.files):
            frame = read_frame(file, self.name, index)
            height, width = frame.image.shape[:2]
            if (width, height) != (self.info.width, self.info.height):
                raise ValueError(
                    f"{self.name}: {file} is {width}x{height} but {self.files[0].name} is "
                    f"{self.info.size}; all frames must have one size"
                )
            yield frame


def list_pictures(folder: Path, suffixes: tuple[str, ...], name: str) -> list[Path]:
    """List the pictures of a folder in natural order.

    Raises:
        ValueError: if there is none.
    """
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in suffixes and not file.name.startswith(".")
    ]
    if not files:
        raise ValueError(f"{name}: the folder {folder} holds no {' or '.join(suffixes)} file")
    return sorted(files, key=natural_key)


def _passed_over(folder: Path) -> tuple[str, ...]:
    """Return a note on what else lies beside the pictures, if anything does."""
    others = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() not in PICTURE_SUFFIXES and not path.name.startswith(".")
    )
    if not others:
        return ()
    return (
        f"{len(others)} entries of the folder are no {' or '.join(PICTURE_SUFFIXES)} and are left "
        f"out: {', '.join(others[:5])}{', …' if len(others) > 5 else ''}",
    )


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a sorting key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def read_frame(file: Path, name: str, index: int = 0) -> Frame:
    """Read one picture as a frame, upright, shown for one unit of time.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or is neither grey nor RGB.
    """
    stored = read_stored(file, name)
    return Frame(index, index, 1, stored.rgb(), None if stored.is_plain else stored)


def depth_of(files: Sequence[Path]) -> int:
    """Return the bits of a channel, 8 or 16, of the deepest picture; headers alone are read."""
    for file in files:
        with file.open("rb") as opened:
            if is_deep(opened.read(25)):
                return 16
    return 8


def read_picture(file: Path, name: str) -> UInt8Array:
    """Read one opaque picture, upright, as ``[H, W, 3]`` uint8 RGB.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, is neither grey nor RGB, or is transparent.
    """
    stored = read_stored(file, name)
    if stored.transparent:
        raise ValueError(f"{name}: {file} is partly transparent; flatten it onto a background")
    return stored.rgb()
