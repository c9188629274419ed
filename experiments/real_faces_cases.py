"""The cases of the real-face benchmark: a recording, something over its face, a kind of masks."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from drawn_occluders import Hidden, hide
from PIL import Image
from real_clips import find_face, restore_exactly

from diffmvr.checks import check_one_of
from diffmvr.landmarker_bundle import SHARED_VARIABLE
from diffmvr.preprocessing.crop import CropTransform, crop_track, square_crops
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.structures import Clip, FaceTrack, UInt8Array

LENGTH = 96
"""Frames of a recording; some have fewer."""

SIZE = 192
"""Side of the crops in which everybody is scored, in pixels."""


@dataclass(frozen=True)
class Case:
    """A recording whose face something hides, whole and as the crops that are scored.

    Attributes:
        whole: the recording, its track found in what the camera saw.
        crops: one for each frame.
        clip: the recording in the crops.
        video: the recording as it was, for its times.
    """

    whole: Clip
    crops: tuple[CropTransform, ...]
    clip: Clip
    video: Path


def kept_track(cache: Path, name: str, frames: UInt8Array, mask: UInt8Array) -> FaceTrack:
    """Find the face in frames, or read where it was found in these very pixels.

    Args:
        cache: a folder for what is known of faces.
        name: for the file's name.
        frames: ``[T, H, W, 3]`` uint8.
        mask: ``[T, H, W]`` 0/1, 1 = hidden.
    """
    digest = hashlib.sha256(frames.tobytes())
    digest.update(mask.tobytes())
    path = cache / f"{name}_{digest.hexdigest()[:16]}.npz"
    if not path.is_file():
        found = find_face(frames, mask)
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(
            partial,
            face_box=found.face_box,
            midline=found.midline,
            similarity=found.similarity,
            axis_source=np.array(found.axis_source),
        )
        partial.replace(path)
    with np.load(path) as kept:
        sources = tuple(map(str, kept["axis_source"]))
        return FaceTrack(kept["face_box"], kept["midline"], kept["similarity"], sources)


class Recording:
    """A recording with its face; both are read when they are first asked for.

    Args:
        path: of the video.
        cache: a folder for what is known of the faces.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        self.path, self.name, self.cache = path, path.stem, cache

    @cached_property
    def frames(self) -> UInt8Array:
        """``[T, H, W, 3]`` uint8."""
        return np.stack([frame.image for frame in islice(open_frames(self.path), LENGTH)])

    def hidden(self, kind: str) -> Hidden:
        """Return the recording with an occluder over it."""
        clear = np.zeros(self.frames.shape[:3], np.uint8)
        return hide(self.frames, self.track(self.frames, clear), kind, self.name)

    def case(self, hidden: Hidden, kind: str, mask_type: str) -> Case:
        """Return what is to be restored."""
        mask = hidden.box if mask_type == "bbox" else hidden.outline
        track = self.track(hidden.observed, mask)
        numbers = np.arange(len(mask))
        whole = Clip(
            f"{self.name}_{kind}", self.name, hidden.observed, mask, track, self.frames, numbers
        )
        crops = square_crops(track, mask.shape[1:], SIZE)
        return Case(whole, crops, crop_clip(whole, crops), self.path)

    def track(self, frames: UInt8Array, mask: UInt8Array) -> FaceTrack:
        """Find the face, or read where it was found in these very pixels."""
        return kept_track(self.cache, self.name, frames, mask)


class Product:
    """``python -m diffmvr.restore`` on the whole recording.

    Args:
        weights: model folder or hub id.
        work: a folder for what it reads and writes; it is removed afterwards.
        options: of ``RestoreSettings``, by name.
    """

    def __init__(self, weights: str, work: Path, options: Mapping[str, Any]) -> None:
        self.weights, self.work, self.options = weights, work, dict(options)

    def restore(self, case: Case) -> UInt8Array:
        """Return the restored crops, ``[T, size, size, 3]``."""
        shutil.rmtree(self.work, ignore_errors=True)
        masks = self.work / "masks"
        masks.mkdir(parents=True)
        source = open_frames(case.video)
        times = list(islice(source, len(case.whole)))
        with VideoWriter(self.work / "input.mkv", source.info, "ffv1", None) as writer:
            for frame, image in zip(times, case.whole.observed, strict=True):
                writer.write(Frame(frame.index, frame.pts, frame.duration, image))
        for index, hidden in enumerate(case.whole.mask):
            Image.fromarray(255 * hidden).save(masks / f"{index:05d}.png")
        after, _ = restore_exactly(
            self.work / "input.mkv", masks, self.work / "restored", self.weights, self.options
        )
        shutil.rmtree(self.work)
        cut = [crop.apply(image) for crop, image in zip(case.crops, after.frames, strict=True)]
        # A pixel of the crop with less than a thousandth of the hole in it counts as visible.
        return np.where(case.clip.mask[..., None] != 0, np.stack(cut), case.clip.observed)


def find_recordings(shared: Path, names: Sequence[str] | None, cache: Path) -> list[Recording]:
    """Return the recordings of talking people.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if one of ``names`` is not among them.
    """
    data = shared / "data"
    paths = [*sorted((data / "faces").glob("*.mp4")), *sorted((data / "grid").glob("*.mpg"))]
    if not paths:
        raise FileNotFoundError(
            f"{SHARED_VARIABLE}: no data/faces/*.mp4 and no data/grid/*.mpg in {shared}"
        )
    for name in names or ():
        check_one_of("--clips", name, [path.stem for path in paths])
    return [Recording(path, cache) for path in paths if not names or path.stem in names]


def crop_clip(clip: Clip, crops: tuple[CropTransform, ...]) -> Clip:
    """Cut a square out of every frame of a clip whose truth is known."""
    observed = np.stack([crop.apply(a) for crop, a in zip(crops, clip.observed, strict=True)])
    mask = np.stack([crop.apply_mask(a) for crop, a in zip(crops, clip.mask, strict=True)])
    true = np.stack([crop.apply(a) for crop, a in zip(crops, truth(clip), strict=True)])
    return replace(
        clip,
        observed=observed,
        mask=mask,
        frames=np.where(mask[..., None] != 0, true, observed),
        track=crop_track(clip.track, crops),
    )


def truth(clip: Clip) -> UInt8Array:
    """Return ``[T, H, W, 3]``, the clip as it would be if nothing hid it.

    Raises:
        ValueError: if nobody knows.
    """
    if clip.frames is None:
        raise ValueError(f"clip {clip.clip_id}: only recordings with known truth can be scored")
    return clip.frames
