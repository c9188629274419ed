"""Small clip stores on disk whose every value is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.clip_store import ClipStoreWriter, RecordingWriter, StoreInfo, track_columns
from diffmvr.structures import Clip, FaceTrack, UInt8Array

SIZE = 32


def store_info(**changes: Any) -> StoreInfo:
    """How the small stores are made."""
    values: dict[str, Any] = {
        "size": SIZE,
        "settings": {"mask": "given", "fps": 20},
        "weights": {"face": "ab12"},
        "tools": {"opencv": "4.10"},
    }
    return StoreInfo(**{**values, **changes})


def store_row(number: int, subject: str = "anna", **changes: Any) -> dict[str, Any]:
    """The row of a kept frame whose crop is a 3/2 enlargement at a moving place."""
    angle = 0.1
    row: dict[str, Any] = {
        "subject": subject,
        "state": "rest",
        "source_frame": 2 * number,
        "source_time": 0.05 * number,
        "source_width": 96,
        "source_height": 72,
        "face_x0": 4.0,
        "face_y0": 3.0,
        "face_x1": 27.0,
        "face_y1": 28.0,
        "midline_x": 15.5,
        "midline_y": 16.0,
        "midline_cos": float(np.sin(angle)),
        "midline_sin": float(np.cos(angle)),
        "similarity": np.array([[10.0, 0.0, 15.5], [0.0, 10.0, 14.0]]),
        "crop": np.array([[1.5, 0.0, -20.0 - number], [0.0, 1.5, -10.0]]),
        "occluded_share": 0.0,
        "mask_source": "given",
        "axis_source": "landmarks",
        "box_source": "mediapipe",
        "past_index": number - 1,
        "past_age": 1 if number else None,
    }
    return {**row, **changes}


def noise(number: int, size: int = SIZE, seed: int = 0) -> UInt8Array:
    """A picture that compression cannot guess."""
    rng = np.random.default_rng([seed, number])
    return rng.integers(0, 256, (size, size, 3), np.uint8)


def disc_mask(number: int, size: int = SIZE) -> UInt8Array:
    """A disc that moves right, 0/1."""
    rows, columns = np.mgrid[:size, :size]
    return ((rows - size / 2) ** 2 + (columns - number - 8) ** 2 < 36).astype(np.uint8)


def add_noise(
    out: RecordingWriter,
    clip: str,
    frames: int,
    subject: str = "anna",
    hidden: range = range(0),
    seed: int = 0,
) -> None:
    """Add a clip of noise; the frames in ``hidden`` have a disc over them."""
    for t in range(frames):
        mask = disc_mask(t) if t in hidden else np.zeros((SIZE, SIZE), np.uint8)
        share = 0.2 if t in hidden else 0.0
        out.add_frame(clip, noise(t, seed=seed), mask, store_row(t, subject, occluded_share=share))


def write_store(root: Path, recordings: Mapping[str, tuple[str, int, range]]) -> Path:
    """Write a finished store with one clip of noise a recording.

    Args:
        root: its folder.
        recordings: by name: the subject, the number of frames, and which of them are hidden.
    """
    writer = ClipStoreWriter(root, store_info())
    for seed, (name, (subject, frames, hidden)) in enumerate(recordings.items()):
        with writer.recording(name) as out:
            add_noise(out, name, frames, subject, hidden, seed)
    writer.finish()
    return root


def write_clips(root: Path, clips: list[Clip], clear_threshold: float = 0.005) -> Path:
    """Write clips with their own tracks as a finished store, one recording each."""
    size = clips[0].observed.shape[1]
    writer = ClipStoreWriter(root, StoreInfo(size, clear_threshold))
    for clip in clips:
        with writer.recording(clip.clip_id) as out:
            columns = track_columns(clip.track)
            past = -1
            for t in range(len(clip)):
                share = float(clip.mask[t].mean())
                row = store_row(
                    t,
                    clip.subject_id,
                    source_frame=t,
                    occluded_share=share,
                    past_index=past,
                    past_age=t - past if past >= 0 else None,
                    **columns[t],
                )
                out.add_frame(clip.clip_id, clip.observed[t], clip.mask[t], row)
                past = t if share <= clear_threshold else past
    writer.finish()
    return root


def tracks_equal(a: FaceTrack, b: FaceTrack) -> bool:
    """Compare two tracks exactly."""
    return (
        np.array_equal(a.face_box, b.face_box)
        and np.array_equal(a.midline, b.midline)
        and np.array_equal(a.similarity, b.similarity)
        and a.axis_source == b.axis_source
    )
