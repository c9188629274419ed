"""Small clips whose motion, symmetry and ground truth are known exactly.

Nothing here needs a model: a loading process that is sent such clips starts in seconds.
"""

from dataclasses import replace

import cv2
import numpy as np

from diffmvr.structures import Clip, FaceTrack, UInt8Array

OCCLUDER = (200, 30, 60)
# Of the small model's frames.
SIDE = 32


def smooth_texture(height: int, width: int, seed: int) -> UInt8Array:
    """A blurred random texture, ``[H, W, 3]`` uint8, with contrast to follow."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 2.5)
    spread = (blurred - blurred.min()) / np.ptp(blurred)
    return np.round(255 * spread).astype(np.uint8)


def moving_clip(
    frames: int = 6, size: int = 48, shift: int = 2, arrival: int = 2, seed: int = 0
) -> Clip:
    """A mirror-symmetric texture that moves right by whole pixels, with a box-shaped occluder.

    The past frame carried by the track, and the mirror image about the midline, are the hidden
    content exactly.  The occluder is on the left half and stays from frame ``arrival`` on.
    """
    margin = frames * shift
    canvas = smooth_texture(size, size + 2 * margin, seed)
    middle = canvas.shape[1] // 2
    canvas[:, middle:] = canvas[:, :middle][:, ::-1]
    offsets = margin - shift * np.arange(frames)
    truth = np.stack([canvas[:, x : x + size] for x in offsets])
    mask = np.zeros((frames, size, size), np.uint8)
    mask[arrival:, size // 3 : 2 * size // 3, size // 4 : size // 2 - 2] = 1
    observed = np.where(mask[..., None] == 1, np.uint8(OCCLUDER), truth)
    moved = shift * np.arange(frames, dtype=float)
    midline = np.tile([(size - 1) / 2, size / 2, 0.0, 1.0], (frames, 1))
    midline[:, 0] += moved
    similarity = np.tile(np.eye(2, 3), (frames, 1, 1))
    similarity[:, 0, 2] = moved
    return Clip(
        clip_id=f"moving-{seed}",
        subject_id=f"subject-{seed}",
        observed=observed,
        mask=mask,
        track=FaceTrack(
            face_box=np.tile([0.0, 0.0, size - 1.0, size - 1.0], (frames, 1)),
            midline=midline,
            similarity=similarity,
            axis_source=("truth",) * frames,
        ),
        frames=truth,
        frame_index=np.arange(frames),
    )


def tiny_clip(seed: int = 0, frames: int = 4, arrival: int = 1) -> Clip:
    """A moving texture at the small model's size."""
    return moving_clip(frames=frames, size=SIDE, shift=1, arrival=arrival, seed=seed)


class TextureClips:
    """A ``ClipSource`` of moving textures, one clip per subject."""

    def __init__(self, clips: int = 24, frames: int = 4) -> None:
        self.frames = frames
        self.subject_ids = [f"subject-{index}" for index in range(clips)]
        self.test_people: tuple[str, ...] = ()
        self.description = f"{clips} moving textures"

    def __len__(self) -> int:
        return len(self.subject_ids)

    def __getitem__(self, index: int) -> Clip:
        clip = tiny_clip(seed=index, frames=self.frames)
        return replace(clip, subject_id=self.subject_ids[index])
