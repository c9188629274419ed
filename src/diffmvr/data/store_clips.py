"""Clips of a clip store with known truth: clear frames of real faces under rendered occluders."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from diffmvr.checks import check_number, check_one_of
from diffmvr.clip_store import ClipStore
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.synthetic.occluders import draw_occluder, draw_schedule
from diffmvr.data.synthetic.rng import Stream, generator
from diffmvr.geometry import scale_track
from diffmvr.structures import Clip

KINDS = {"hand": 0.64, "tube": 0.16, "blanket": 0.20}
"""How often each occluder is drawn, as on the rendered benchmark."""

MOST_COVER = {"hand": 0.6, "tube": 0.35, "blanket": 0.6}
LEAST_COVER = 0.1


class StoreClips:
    """Clear stretches of a store's clips, each with a rendered occluder put over it.

    Nobody knows what a real occluder hides, so that frames it touches can neither be learnt from
    nor scored (decisions 3).  What is used are runs of consecutive frames whose face is clear by
    the store's own threshold, cut into pieces of equal length; an occluder is drawn over each
    piece, the same on every run.  Where a real occluder is in the picture after all, beside
    the face, it stays in front and is no part of the hole.

    Args:
        root: the store's folder.
        num_frames: frames of a clip; 1 for still images, None for whole runs.
        size: side of the pictures in pixels, at most the store's; None for the store's own.
        mask_type: ``segmentation`` (the occluder's outline) or ``bbox`` (its bounding rectangle).
        seed: another seed is other occluders.

    Attributes:
        root: the store's folder.
        subject_ids: the subject of each clip.
        test_people: nobody; the settings decide who is tested with.
        description: which store it is.

    Raises:
        FileNotFoundError: if the folder is no finished store.
        ValueError: if a setting is out of range, or the store has no run of clear frames as long
            as ``num_frames``.
    """

    def __init__(
        self,
        root: str | Path | None,
        num_frames: int | None = 16,
        size: int | None = None,
        mask_type: str = "segmentation",
        seed: int = 0,
    ) -> None:
        if not root:
            raise ValueError("data.root: expected a clip store, got none; give data.root=STORE")
        check_one_of("mask_type", mask_type, ("segmentation", "bbox"))
        if num_frames is not None:
            check_number("num_frames", num_frames, 1, np.inf)
        self.root = Path(root)
        self.test_people: Sequence[str] = ()
        self.description = f"real faces of the clip store {self.root.name}"
        self.mask_type = mask_type
        self.seed = seed
        self._store = ClipStore(self.root)
        self.size = self._store.info.size if size is None else size
        if not 1 <= self.size <= self._store.info.size:
            raise ValueError(
                f"size: expected 1 to {self._store.info.size}, the side of the pictures in "
                f"{self.root}, got {size}; make a store of larger crops"
            )
        runs = [(clip, *run) for clip in self._store.clip_ids for run in self._clear_runs(clip)]
        self._pieces: list[tuple[str, int, int]] = []
        for clip, first, last in runs:
            length = num_frames or last - first
            starts = range(first, last - length + 1, length)
            self._pieces += [(clip, start, start + length) for start in starts]
        if not self._pieces:
            longest = max((last - first for _, first, last in runs), default=0)
            raise ValueError(
                f"num_frames: no clip of {self.root} has {num_frames} consecutive frames with a "
                f"clear face (occluded share ≤ {self._store.info.clear_threshold:g}); the longest "
                f"run has {longest}; use fewer frames"
            )
        self.subject_ids: Sequence[str] = [
            self._store.subject_of(clip) for clip, _, _ in self._pieces
        ]

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, index: int) -> Clip:
        name, start, stop = self._pieces[index]
        seen = resize_clip(self._store.read(name, start, stop), self.size)
        clip_id = f"{name}_{start:05d}"
        rng = generator(self.seed, zlib.crc32(clip_id.encode()), 0, Stream.OCCLUDER)
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        cover = float(rng.uniform(LEAST_COVER, MOST_COVER[kind]))
        schedule = draw_schedule(rng, len(seen))
        overlay = draw_occluder(rng, seen.observed, seen.track.face_box, kind, cover, schedule)
        drawn = overlay.box_mask if self.mask_type == "bbox" else overlay.mask
        # The real one is in front: what it hides is no truth to restore.
        behind = seen.mask != 0
        return Clip(
            clip_id=clip_id,
            subject_id=seen.subject_id,
            observed=np.where(behind[..., None], seen.observed, overlay.observed),
            mask=np.where(behind, np.uint8(0), drawn),
            track=seen.track,
            frames=seen.observed,
            frame_index=seen.frame_index,
        )

    def _clear_runs(self, clip: str) -> list[tuple[int, int]]:
        """Return the (first, past the last) frames of each longest run of clear frames."""
        clear = self._store.rows(clip).select(
            pl.col("occluded_share") <= self._store.info.clear_threshold
        )
        steps = np.diff(np.pad(clear.to_series().to_numpy().astype(np.int8), 1))
        firsts, lasts = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def store_data_module(root: str | Path, source: StoreClips, **settings: Any) -> ClipDataModule:
    """Build the data module of a store; ``conf/data/clips.yaml`` names the folder as ``data.root``.

    Args:
        root: the store's folder.
        source: its clips.
        settings: of :class:`ClipDataModule`.

    Raises:
        ValueError: if the clips come from another folder.
    """
    if Path(root) != source.root:
        raise ValueError(
            f"data.source.root: expected data.root, {root}, got {source.root}; set data.root alone"
        )
    return ClipDataModule(source, **settings)


def resize_clip(clip: Clip, size: int) -> Clip:
    """Reduce a clip of square pictures; a pixel is hidden if any part of it was.

    Args:
        clip: pictures of at least ``size``.
        size: their new side in pixels.
    """
    before = clip.observed.shape[1]
    if before == size:
        return clip
    observed: Any = np.stack([_reduce(image, size) for image in clip.observed])
    hidden = np.stack([_reduce(mask.astype(np.float32), size) for mask in clip.mask])
    return Clip(
        clip_id=clip.clip_id,
        subject_id=clip.subject_id,
        observed=observed,
        mask=(hidden > 0).astype(np.uint8),
        track=scale_track(clip.track, size / before),
        frames=None if clip.frames is None else observed,
        frame_index=clip.frame_index,
    )


def _reduce(image: Any, size: int) -> Any:
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
