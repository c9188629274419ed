"""A clip of a portrait: moved, filmed, and covered, with the truth around it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.data.portraits.anatomy import LIDS
from diffmvr.data.portraits.backdrop import draw_backdrop, hang
from diffmvr.data.portraits.camera import Camera, Float32Array, sample_camera
from diffmvr.data.portraits.covers import cover_frames
from diffmvr.data.portraits.motion import Motion, sample_motion, sample_turns
from diffmvr.data.portraits.portrait import Portrait
from diffmvr.data.portraits.warp import draw_lashes, warp
from diffmvr.data.synthetic.raster import canvas_size
from diffmvr.data.synthetic.rng import Stream
from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.face import boxes_around, canonical_shape, fit_similarity
from diffmvr.preprocessing.landmarks import LANDMARKS, MIDLINE_INDICES, RIGID_INDICES
from diffmvr.preprocessing.symmetry import fit_midline
from diffmvr.structures import Clip, FaceTrack, FloatArray

LASHES = 0.45
"""How dark the line of closed lids is."""


def film(
    portrait: Portrait,
    motion: Motion,
    camera: Camera,
    size: int,
    wall: Float32Array | None = None,
) -> tuple[Float32Array, FloatArray]:
    """Film a moving portrait.

    Args:
        portrait: who.
        motion: what they do.
        camera: how they are seen.
        size: side of the frames in pixels.
        wall: ``[S, S, 3]``, what hangs behind them instead of the plain wall that was there, on a
            canvas of ``canvas_size(size)``.

    Returns:
        ``[T, H, W, 3]`` float32 0–255, without noise and compression, and ``[T, 478, 2]``, the
        landmarks in pixels.
    """
    side = canvas_size(size)
    zoom = size / side
    frames, landmarks = [], []
    for t, shape in enumerate(portrait.shapes(motion)):
        matrix = side * camera.matrix[t]
        points = shape @ matrix[:, :2].T + matrix[:, 2] - 0.5
        blink = float(motion.blink[t])
        scene = warp(
            portrait.images,
            points,
            portrait.mesh.triangles,
            portrait.sources_at(blink),
            portrait.blend(motion, t),
            portrait.shade(blink),
            side,
        )
        if wall is not None and portrait.plain:
            scene = hang(scene, wall, compose(matrix, invert(side * camera.matrix[0])))
        scene = scene[..., :3]
        if blink:
            draw_lashes(scene, np.stack([points[list(up)] for up, _ in LIDS]), LASHES * blink**2)
        small = np.asarray(
            cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA), np.float32
        )
        frames.append(camera.look(small, t))
        landmarks.append((points[:LANDMARKS] + 0.5) * zoom - 0.5)
    return np.stack(frames), np.stack(landmarks)


def track_of(landmarks: FloatArray) -> FaceTrack:
    """Return where the face is, of landmarks that are exact: nothing is smoothed.

    Args:
        landmarks: ``[T, 478, 2]`` pixels.
    """
    rigid, midline = list(RIGID_INDICES), list(MIDLINE_INDICES)
    canonical = canonical_shape(landmarks)
    return FaceTrack(
        face_box=boxes_around(landmarks),
        midline=np.stack([fit_midline(one[midline]) for one in landmarks]),
        similarity=np.stack([fit_similarity(canonical[rigid], one[rigid]) for one in landmarks]),
        axis_source=("truth",) * len(landmarks),
    )


@dataclass(frozen=True)
class PortraitClip(Clip):
    """A clip made of two pictures: a ``Clip`` with everything that is known of it.

    Attributes:
        landmarks: ``[T, 478, 2]`` pixels (x, y), MediaPipe's.
        smile: ``[T]`` float32, how far from the neutral picture (0) to the smiling one (1).
        blink: ``[T]`` float32, 1 with closed eyes.
        caption: T descriptions of ``observed``.
        clean_caption: T descriptions of ``frames``.
    """

    landmarks: FloatArray
    smile: NDArray[np.float32]
    blink: NDArray[np.float32]
    caption: tuple[str, ...]
    clean_caption: tuple[str, ...]


def make_clip(
    portrait: Portrait,
    streams: Callable[[Stream], np.random.Generator],
    clip_id: str,
    subject_id: str,
    *,
    smiling_first: bool,
    num_frames: int,
    frame_rate: float,
    size: int,
    mask_type: str,
    new_walls: float,
) -> PortraitClip:
    """Make a clip; the same arguments give the same bytes.

    Args:
        portrait: who.
        streams: the generator of each aspect.
        clip_id: name of the clip.
        subject_id: name of the person.
        smiling_first: whether the portrait's first picture is the smiling one.
        num_frames: T.
        frame_rate: frames in a second.
        size: side of the frames in pixels.
        mask_type: ``segmentation`` (the occluder's outline) or ``bbox`` (its bounding rectangle).
        new_walls: how often another wall hangs behind the person, in [0, 1].
    """
    # 1. What happens.
    motion = sample_motion(streams(Stream.EXPRESSION), num_frames, frame_rate)
    smile = motion.smile.mean(axis=1)
    if smiling_first:
        motion = replace(motion, smile=1.0 - motion.smile)
    pose = sample_turns(streams(Stream.POSE), num_frames, frame_rate)
    motion = replace(motion, **pose)
    camera = sample_camera(streams(Stream.LIGHT), num_frames, frame_rate, *portrait.extent)

    # 2. What the camera sees of it.
    walls = streams(Stream.BACKGROUND)
    wall = draw_backdrop(walls, canvas_size(size)) if walls.uniform() < new_walls else None
    scenes, landmarks = film(portrait, motion, camera, size, wall)
    frames = np.stack([camera.record(scene, t) for t, scene in enumerate(scenes)])
    track = track_of(landmarks)

    # 3. What comes over it.
    overlay = cover_frames(streams(Stream.OCCLUDER), frames, scenes, track.face_box, camera)
    clean = [_describe(*values) for values in zip(smile, motion.blink, strict=True)]
    covered = np.asarray(overlay.mask.any(axis=(1, 2)))
    return PortraitClip(
        clip_id=clip_id,
        subject_id=subject_id,
        observed=overlay.observed,
        mask=overlay.box_mask if mask_type == "bbox" else overlay.mask,
        track=track,
        frames=frames,
        frame_index=np.arange(num_frames),
        landmarks=landmarks,
        smile=smile.astype(np.float32),
        blink=motion.blink.astype(np.float32),
        caption=tuple(
            f"{words}, behind {overlay.description}" if hidden else words
            for words, hidden in zip(clean, covered, strict=True)
        ),
        clean_caption=tuple(clean),
    )


def _describe(smile: float, blink: float) -> str:
    face = "a smiling face" if smile > 0.6 else "a slightly smiling face"
    if smile < 0.15:
        face = "a face with a neutral expression"
    return f"a photograph of {face}" + (", eyes closed" if blink > 0.6 else "")
