"""Read masks from a video, a folder of PNGs or one picture: 0/1, 1 = hidden, restore this.

In a PNG every value but 0 hides (palette index or grey level, so label maps and DAVIS annotations
work as they are).  Where compression may have changed values, in videos and JPEGs, a value above
127 in any channel hides.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from diffmvr.clip_store.layout import IMAGES, MASKS
from diffmvr.picture_files import open_picture
from diffmvr.preprocessing.frame_clock import DEFAULT_RATE
from diffmvr.preprocessing.frame_source import FrameSource, VideoInfo
from diffmvr.preprocessing.mask_pairing import check_gapless, pair_masks
from diffmvr.preprocessing.picture_folder import (
    PICTURE_SUFFIXES,
    FrameFolder,
    depth_of,
    list_pictures,
)
from diffmvr.preprocessing.stored_pixels import read_stored, upright
from diffmvr.preprocessing.video_reader import VideoFile
from diffmvr.structures import UInt8Array

LOSSY_THRESHOLD = 127


class MaskSource(Protocol):
    """Masks that can be read from the start as often as needed.

    Attributes:
        path: where they come from.
        endless: whether one mask is repeated for as many frames as there are.
        notes: what the reader of a report should know of them.
    """

    path: Path
    endless: bool
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[UInt8Array]:
        """Read ``[H, W]`` uint8 0/1 masks in the order of the frames."""
        ...


def open_masks(path: Path | None, frames: FrameSource, allow_truncated: bool = False) -> MaskSource:
    """Open the masks of a recording.

    Args:
        path: a video, a folder of PNGs, one PNG for all frames, or ``None`` for a DAVIS-layout
            clip, whose masks lie beside its frames.
        frames: the recording; masks must have its upright size.
        allow_truncated: whether to accept a mask video that was cut off.

    Raises:
        FileNotFoundError: if there is nothing at ``path``.
        ValueError: if no mask is given, or what is there cannot be read.
    """
    if path is None:
        path = davis_annotations(frames.path)
        if path is None:
            raise ValueError(
                f"mask: none is given for {frames.path}; give mask=VIDEO, mask=FOLDER of PNGs or "
                "mask=PNG (non-zero = hidden)"
            )
    if path.is_dir():
        return MaskFolder(path, frames)
    if not path.is_file():
        raise FileNotFoundError(f"mask: there is no file or folder {path}; check the path")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return ConstantMask(path, frames.info)
    return MaskVideo(path, frames.info, allow_truncated)


def davis_annotations(frames: Path) -> Path | None:
    """Return the masks' folder of a DAVIS-layout clip, ``…/JPEGImages/…/<clip>``, if it has one."""
    parts = list(frames.absolute().parts)
    if frames.is_dir() and IMAGES in parts:
        last = len(parts) - 1 - parts[::-1].index(IMAGES)
        folder = Path(*parts[:last], MASKS, *parts[last + 1 :])
        if folder.is_dir():
            return folder
    return None


class ConstantMask:
    """One picture that is the mask of every frame.

    Raises:
        ValueError: if it cannot be read or has another size than the frames.
    """

    endless = True
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.path = path
        self.mask = read_mask(path)
        check_mask_size(self.mask, str(path), info)

    def __iter__(self) -> Iterator[UInt8Array]:
        """Repeat the mask without end."""
        while True:
            yield self.mask


class MaskFolder:
    """A folder with one picture per frame.

    A frame that is a picture itself has the mask of its name, or of its number.  The frames of a
    video have the masks in natural order.

    Raises:
        ValueError: if it holds no picture, a frame's mask is absent, or their numbers have a gap.
    """

    endless = False

    def __init__(self, path: Path, frames: FrameSource) -> None:
        self.path = path
        self.info = frames.info
        self.notes: tuple[str, ...] = ()
        self.files = list_pictures(path, PICTURE_SUFFIXES, "mask")
        if not isinstance(frames, FrameFolder):
            check_gapless(self.files)
            return
        self.files, unused = pair_masks(frames.files, self.files)
        if unused:
            self.notes = (
                f"{len(unused)} masks belong to no frame and are not used: {unused[0].name}"
                + (", …" if len(unused) > 1 else ""),
            )

    def __iter__(self) -> Iterator[UInt8Array]:
        """Read the masks in order.

        Raises:
            ValueError: if one cannot be read or has another size than the frames.
        """
        for file in self.files:
            mask = read_mask(file)
            check_mask_size(mask, str(file), self.info)
            yield mask


class MaskVideo:
    """A video whose bright pixels hide.

    Raises:
        ValueError: if it is not a video, or has another size than the frames.
    """

    endless = False
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, info: VideoInfo, allow_truncated: bool = False) -> None:
        self.path = path
        # Masks go by their number: their times do not count.
        self.video = VideoFile(path, "mask", allow_truncated, fps=DEFAULT_RATE)
        check_mask_size(np.empty((self.video.info.height, self.video.info.width)), str(path), info)

    def __iter__(self) -> Iterator[UInt8Array]:
        """Decode the masks in order."""
        for frame in self.video:
            yield _threshold(frame.image)


def read_mask(file: Path) -> UInt8Array:
    """Read one picture as a mask, turned as its EXIF says, as frames are.

    Args:
        file: a palette, grey (1 to 16 bits) or RGB picture.

    Returns:
        ``[H, W]`` uint8 0/1.

    Raises:
        ValueError: if it cannot be read, or has an alpha channel, which could mean either.
    """
    picture = open_picture(file, "mask")
    if "A" in picture.getbands():
        raise ValueError(
            f"mask: {file} has an alpha channel (pixel type {picture.mode}); save it as a grey, "
            "palette or RGB picture in which non-zero means hidden"
        )
    # Of 16 bits Pillow keeps the upper 8, in which a small value is 0.
    deep = picture.mode == "RGB" and depth_of([file]) > 8
    values = read_stored(file, "mask").values if deep else upright(picture)
    if picture.format != "PNG":
        return _threshold(np.atleast_3d(values))
    hidden = values != 0
    return (hidden if hidden.ndim == 2 else hidden.any(axis=2)).astype(np.uint8)


def check_mask_size(mask: np.ndarray, what: str, info: VideoInfo) -> None:
    """Require a mask of the frames' size.

    Raises:
        ValueError: with both sizes.
    """
    height, width = mask.shape[:2]
    if (width, height) == (info.width, info.height):
        return
    hint = "give masks of the frames' size"
    if (height, width) == (info.width, info.height):
        hint = "the frames are shown turned by a rotation flag: turn the masks upright, too"
    raise ValueError(
        f"mask: {what} is {width}x{height} but the frames of {info.name} are {info.size}; {hint}"
    )


def _threshold(image: UInt8Array) -> UInt8Array:
    """Return ``[H, W]`` 0/1 of ``[H, W, C]``."""
    # Channel by channel: NumPy is slow along an axis as short as this.
    bright = np.zeros(image.shape[:2], bool)
    for channel in range(image.shape[2]):
        bright |= image[..., channel] > LOSSY_THRESHOLD
    return bright.astype(np.uint8)
