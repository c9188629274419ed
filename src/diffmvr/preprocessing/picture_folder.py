"""Pictures on disk, one by one or as the frames of a recording."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import ImageOps

from diffmvr.picture_files import open_picture
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.structures import UInt8Array

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


class FrameFolder:
    """A folder of pictures, in natural order (frame2 before frame10).

    Args:
        path: the folder; files that are not .png or .jpg are passed over.
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
        height, width = read_picture(self.files[0], name).shape[:2]
        self.info = VideoInfo(
            name=path.name,
            width=width,
            height=height,
            frame_rate=fps,
            time_base=1 / fps,
            frame_count=len(self.files),
        )

    def __iter__(self) -> Iterator[Frame]:
        """Read the pictures in order.

        Raises:
            ValueError: if one cannot be read or has another size than the first.
        """
        for index, file in enumerate(self.files):
            image = read_picture(file, self.name)
            height, width = image.shape[:2]
            if (width, height) != (self.info.width, self.info.height):
                raise ValueError(
                    f"{self.name}: {file} is {width}x{height} but {self.files[0].name} is "
                    f"{self.info.size}; all frames must have one size"
                )
            yield Frame(index, index, 1, image)


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


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a sorting key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def read_picture(file: Path, name: str) -> UInt8Array:
    """Read one picture, upright, as ``[H, W, 3]`` uint8 RGB.

    Raises:
        ValueError: if it cannot be read, has more than 8 bits a channel, or is transparent.
    """
    picture = ImageOps.exif_transpose(open_picture(file, name))
    if picture.mode not in ("1", "L", "P", "RGB", "LA", "RGBA"):
        raise ValueError(
            f"{name}: {file} has pixel type {picture.mode}; give 8-bit grey or RGB pictures"
        )
    if "A" in picture.getbands() and np.asarray(picture.getchannel("A")).min() < 255:
        raise ValueError(f"{name}: {file} is partly transparent; flatten it onto a background")
    return np.asarray(picture.convert("RGB"))
