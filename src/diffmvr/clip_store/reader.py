"""Read a clip store."""

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from diffmvr.clip_store.info import StoreInfo, read_info
from diffmvr.clip_store.layout import (
    IMAGES,
    MANIFEST_NAME,
    MASKS,
    PARTS,
    STAGING,
    mask_path,
    part_path,
    picture_path,
)
from diffmvr.clip_store.manifest import MIDLINE_COLUMNS, read_manifest, track_of
from diffmvr.picture_files import open_picture
from diffmvr.structures import Clip, UInt8Array


class ClipStore:
    """A finished clip store.

    Args:
        root: its folder.

    Attributes:
        info: how it was made.
        manifest: one row for each frame considered (``MANIFEST_SCHEMA``).
        clip_ids: the clips that have pictures, in the manifest's order.

    Raises:
        FileNotFoundError: if the folder is no store, or none that was finished.
        ValueError: if its files are not what they should be.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.info: StoreInfo = read_info(self.root)
        path = self.root / MANIFEST_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"root: the store {self.root} was never finished (it holds no {MANIFEST_NAME}); "
                "run python -m diffmvr.preprocess again, it goes on where it stopped"
            )
        self.manifest = read_manifest(path)
        self._clips: dict[str, pl.DataFrame] = {
            str(rows["clip"][0]): rows
            for rows in self.manifest.filter(pl.col("frame").is_not_null()).partition_by(
                "clip", maintain_order=True
            )
        }
        self.clip_ids: tuple[str, ...] = tuple(self._clips)

    def rows(self, clip_id: str) -> pl.DataFrame:
        """Return the manifest's rows of a clip's pictures, in order.

        Raises:
            ValueError: if there is no such clip.
        """
        if clip_id not in self._clips:
            raise ValueError(
                f"clip_id: {clip_id!r} is none of the {len(self._clips)} clips of {self.root}"
            )
        return self._clips[clip_id]

    def subject_of(self, clip_id: str) -> str:
        """Return whose face a clip shows."""
        return str(self.rows(clip_id)["subject"][0])

    def crops(self, clip_id: str) -> np.ndarray:
        """Return ``[T, 2, 3]``, pixels of the recording → crop pixels."""
        return self.rows(clip_id)["crop"].to_numpy().reshape(-1, 2, 3)

    def read(self, clip_id: str, start: int = 0, stop: int | None = None) -> Clip:
        """Read a clip, or frames ``start`` … ``stop - 1`` of it.

        Returns:
            The clip.  Where nothing is hidden the truth is what was seen, so that ``frames`` are
            the observed ones if no mask marks a pixel; otherwise nobody knows it, and they are
            ``None``.

        Raises:
            ValueError: if there is no such clip or frame, or a file is damaged.
            FileNotFoundError: if a file is missing.
        """
        rows = self.rows(clip_id)
        last = len(rows) if stop is None else stop
        if not 0 <= start < last <= len(rows):
            raise ValueError(
                f"start and stop: expected frames 0 to {len(rows)} of {clip_id!r}, "
                f"got {start} and {stop}"
            )
        rows = rows.slice(start, last - start)
        observed = np.stack([self._picture(clip_id, t) for t in rows["frame"]])
        mask = np.stack([self._mask(clip_id, t) for t in rows["frame"]])
        return Clip(
            clip_id=clip_id,
            subject_id=self.subject_of(clip_id),
            observed=observed,
            mask=mask,
            track=track_of(rows),
            frames=None if mask.any() else observed,
            frame_index=rows["source_frame"].to_numpy().astype(np.int64),
        )

    def verify(self) -> list[str]:
        """Compare the manifest with the files, decoding each.

        Returns:
            What is wrong, one sentence each; empty if the store is whole.
        """
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        for name in sorted(set(self.manifest["recording"])):
            if not part_path(self.root, name).is_file():
                yield f"recording {name!r} has no part of the manifest"
        # Opening the store has checked the manifest's names.
        parts = [(path, path.stem) for path in (self.root / PARTS).glob("*.parquet")]
        parts += [
            (path, path.parent.name) for path in (self.root / STAGING).glob(f"*/{MANIFEST_NAME}")
        ]
        for path, name in sorted(parts):
            try:
                read_manifest(path, name)
            except ValueError as error:
                yield str(error)
        for path in sorted(self.root.rglob("*")):
            if path.is_symlink() and self.root.resolve() not in path.resolve().parents:
                yield f"{path} is a link that leads out of the store"
        for clip, rows in self._clips.items():
            if rows["frame"].to_list() != list(range(len(rows))):
                yield f"clip {clip!r}: the frames' numbers are not 0 to {len(rows) - 1}"
                continue
            if rows["subject"].n_unique() != 1 or rows["recording"].n_unique() != 1:
                yield f"clip {clip!r} has more than one subject or recording"
            direction = rows.select(MIDLINE_COLUMNS[2:]).to_numpy()
            if np.abs(np.linalg.norm(direction, axis=1) - 1).max() > 1e-4:
                yield f"clip {clip!r}: a midline's direction is not of unit length"
            for t in range(len(rows)):
                for look_up in (self._picture, self._mask):
                    try:
                        look_up(clip, t)
                    except (ValueError, OSError) as error:
                        yield f"clip {clip!r}: {error}"
            for kind, suffix in ((IMAGES, self.info.image_suffix), (MASKS, ".png")):
                files = {path.name for path in (self.root / kind / clip).glob("*")}
                strange = sorted(files - {f"{t:05d}{suffix}" for t in range(len(rows))})
                if strange:
                    yield f"clip {clip!r}: {kind} holds {strange[0]!r}, which no row knows"

    def _picture(self, clip: str, frame: int) -> UInt8Array:
        path = picture_path(self.root, clip, frame, self.info.image_suffix)
        return np.ascontiguousarray(self._decode(path, cv2.IMREAD_COLOR)[..., ::-1])

    def _mask(self, clip: str, frame: int) -> UInt8Array:
        values = self._decode(mask_path(self.root, clip, frame), cv2.IMREAD_GRAYSCALE)
        return (values > 127).astype(np.uint8)

    def _decode(self, path: Path, flags: int) -> UInt8Array:
        data = path.read_bytes()
        image: Any = None
        with suppress(ValueError):
            # Its header first: a size is promised there before memory is taken for it.
            size = open_picture(io.BytesIO(data), "root", decode=False).size
            if size == (self.info.size, self.info.size):
                image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if image is None:
            raise ValueError(
                f"{path} is not a picture of {self.info.size}x{self.info.size}; make the store anew"
            )
        return image
