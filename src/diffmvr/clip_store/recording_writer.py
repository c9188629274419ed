"""The frames of one recording, written into a folder of their own until the store takes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from diffmvr.checks import check_name, check_shape
from diffmvr.clip_store.info import StoreInfo
from diffmvr.clip_store.layout import mask_path, picture_path
from diffmvr.clip_store.manifest import manifest_frame, manifest_row
from diffmvr.structures import UInt8Array

CHUNK = 1000
"""Rows kept as Python objects before they become columns, a tenth of the size."""

_ENCODING: dict[str, list[int]] = {
    # OpenCV's own choice takes half the time of its level 1, for a fifth more bytes.
    ".png": [],
    ".jpg": [
        *(cv2.IMWRITE_JPEG_QUALITY, 95),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ],
}


class RecordingWriter:
    """Takes the frames of one recording in order; made by :meth:`ClipStoreWriter.recording`."""

    def __init__(self, folder: Path, info: StoreInfo, recording: str) -> None:
        self.recording = recording
        self._folder = folder
        self._info = info
        self._counts: dict[str, int] = {}
        self._subjects: set[str] = set()
        self._rows: list[dict[str, Any]] = []
        self._chunks: list[pl.DataFrame] = []

    @property
    def clips(self) -> tuple[str, ...]:
        """The clips with pictures, in order of appearance."""
        return tuple(self._counts)

    def add_frame(
        self,
        clip: str | None,
        image: UInt8Array | None,
        mask: UInt8Array | None,
        row: Mapping[str, Any],
    ) -> int | None:
        """Append a frame to a clip, or put a skipped frame on record.

        Args:
            clip: name of the clip; ``None`` only for a skipped frame that belongs to none.
            image: ``[size, size, 3]`` uint8 RGB, or ``None`` for a skipped frame.
            mask: ``[size, size]`` uint8 0/1, 1 = hidden; given exactly if the image is.
            row: the frame's values by column of ``MANIFEST_SCHEMA``, without clip, recording and
                frame.

        Returns:
            The frame's number in its clip, or ``None`` for a skipped frame.

        Raises:
            ValueError: if a shape or a value does not fit, or the recording shows two subjects.
            OSError: if a picture cannot be written.
        """
        kept = image is not None
        if kept != (mask is not None) or (kept and clip is None):
            raise ValueError(
                "add_frame: expected a clip, an image and a mask, or neither image nor mask; got "
                f"clip={clip!r}, image {'given' if kept else 'absent'}, "
                f"mask {'absent' if mask is None else 'given'}"
            )
        values = manifest_row(row, kept)
        self._subjects.add(values["subject"])
        if len(self._subjects) > 1:
            raise ValueError(
                f"subject: recording {self.recording!r} shows one person, got "
                f"{sorted(self._subjects)}"
            )
        number = None
        if clip is not None:
            check_name("clip", clip)
        if clip is not None and image is not None and mask is not None:
            number = self._counts.get(clip, 0)
            self._check_past(values, number)
            self._write(clip, number, image, mask)
            self._counts[clip] = number + 1
        self._rows.append({**values, "clip": clip, "recording": self.recording, "frame": number})
        if len(self._rows) == CHUNK:
            self._to_columns()
        return number

    def manifest(self) -> pl.DataFrame:
        """Return the rows so far."""
        self._to_columns()
        return pl.concat([manifest_frame(), *self._chunks])

    def _to_columns(self) -> None:
        if self._rows:
            self._chunks.append(manifest_frame(self._rows))
            self._rows = []

    def _check_past(self, values: Mapping[str, Any], number: int) -> None:
        past, age = values["past_index"], values["past_age"]
        if not -1 <= past < number or age != (number - past if past >= 0 else None):
            raise ValueError(
                f"past_index: frame {number} needs an earlier frame and its age, or -1 and no age;"
                f" got past_index={past}, past_age={age}"
            )

    def _write(self, clip: str, number: int, image: UInt8Array, mask: UInt8Array) -> None:
        size, suffix = self._info.size, self._info.image_suffix
        check_shape("image", image, (size, size, 3))
        check_shape("mask", mask, (size, size))
        if image.dtype != np.uint8 or mask.dtype != np.uint8 or mask.max() > 1:
            raise ValueError(
                "image and mask: expected uint8, and 0/1 in the mask, got "
                f"{image.dtype} and {mask.dtype} up to {mask.max()}"
            )
        picture = picture_path(self._folder, clip, number, suffix)
        hidden = mask_path(self._folder, clip, number)
        if number == 0:
            picture.parent.mkdir(parents=True)
            hidden.parent.mkdir(parents=True)
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        picture.write_bytes(cv2.imencode(suffix, bgr, _ENCODING[suffix])[1].tobytes())
        hidden.write_bytes(cv2.imencode(".png", mask * 255, _ENCODING[".png"])[1].tobytes())
