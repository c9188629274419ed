"""The renderer: from three numbers to a clip with its ground truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number
from diffmvr.data.synthetic.anatomy import build_anatomy
from diffmvr.data.synthetic.background import render_scene
from diffmvr.data.synthetic.captions import Hidden, caption_frames
from diffmvr.data.synthetic.expression import EXPRESSION_NAMES, sample_expression
from diffmvr.data.synthetic.face import NEUTRAL, FacePatches, face_patches
from diffmvr.data.synthetic.identity import Identity, sample_identity
from diffmvr.data.synthetic.landmarks import (
    LANDMARK_NAMES,
    MIDLINE_NAMES,
    RIGID_NAMES,
    face_box,
    fit_midline,
    fit_similarity,
    project_landmarks,
    to_pixels,
)
from diffmvr.data.synthetic.lighting import (
    HeadFields,
    grid_size,
    head_fields,
    sample_lighting,
    skin_texture,
)
from diffmvr.data.synthetic.occluders import Overlay, Schedule, draw_occluder
from diffmvr.data.synthetic.pose import HeadPose, sample_pose
from diffmvr.data.synthetic.raster import canvas_size, paint, shrink
from diffmvr.data.synthetic.rng import FloatArray, Stream, generator
from diffmvr.structures import Clip, FaceTrack, UInt8Array

MIN_SIZE, MAX_SIZE = 64, 512
ACT_FRAMES = 8
"""Least frames of an act of several, for something to come and to go in."""

_SHOULDER = np.float32(200)


@dataclass(frozen=True)
class SyntheticClip(Clip):
    """A rendered clip: a ``Clip`` with everything the renderer knows.

    Attributes:
        box_mask: ``[T, H, W]`` uint8 0/1, each occluder's bounding rectangle.
        landmarks: ``[T, K, 2]`` pixels (x, y), in the order of ``LANDMARK_NAMES``.
        expression: ``[T, E]`` float32, in the order and ranges of ``EXPRESSION_NAMES``.
        state: T states, ``"rest"``, ``"move"`` or ``"pain"``.
        caption: T descriptions of ``observed``.
        clean_caption: T descriptions of ``frames``.
    """

    box_mask: UInt8Array
    landmarks: FloatArray
    expression: NDArray[np.float32]
    state: tuple[str, ...]
    caption: tuple[str, ...]
    clean_caption: tuple[str, ...]


def render_clip(
    seed: int,
    subject: int,
    clip: int,
    *,
    size: int = 64,
    num_frames: int = 16,
    occluded: bool = True,
    acts: int = 1,
) -> SyntheticClip:
    """Render a clip; the same arguments give the same bytes.

    Args:
        seed: the benchmark's seed.
        subject: who; a subject looks the same in all its clips.
        clip: which clip of that subject.
        size: side of the square frames in pixels, 64 to 512; the scene is the same at each.
        num_frames: number of frames T, at least 1.
        occluded: whether something hides the face; the clean frames do not depend on it.
        acts: with 1, the state changes at most once and something hides the face at most once.
            With more, the clip consists of so many equal acts, and in each the state changes once
            and something comes, stays for about half of the act, and goes: the face is seen clear,
            in several states, before and after.

    Raises:
        ValueError: if a number is out of its range, or an act has fewer than 8 frames.
    """
    check_number("size", size, MIN_SIZE, MAX_SIZE)
    check_number("num_frames", num_frames, 1, 100_000)
    check_number("acts", acts, 1, max(1, num_frames // ACT_FRAMES))
    for name, value in (("seed", seed), ("subject", subject), ("clip", clip)):
        check_number(name, value, 0, 2**63 - 1)

    def stream(aspect: Stream) -> np.random.Generator:
        return generator(seed, subject, clip, aspect)

    # 1. The scene, free of pixels.
    identity = sample_identity(seed, subject)
    expression, state = sample_expression(stream(Stream.EXPRESSION), num_frames, acts)
    pose = sample_pose(stream(Stream.POSE), num_frames)
    light = sample_lighting(stream(Stream.LIGHT), num_frames)
    anatomy = build_anatomy(identity, expression)
    landmarks = project_landmarks(anatomy, pose)

    # 2. The clean frames.
    patches = face_patches(identity, anatomy, expression, pose)
    texture = skin_texture(seed, subject, identity)
    grid = grid_size(size)
    fields = head_fields(identity, expression, pose, landmarks, light, texture, grid)
    head, scale = pose.centre.mean(axis=0), float(pose.scale.mean())
    scene = render_scene(stream(Stream.BACKGROUND), identity, head, scale, size)
    frames = np.stack(list(_compose(patches, fields, scene.image, light.gain, grid)))

    # 3. What hides them.
    pixels = {name: to_pixels(landmarks[name], size) for name in LANDMARK_NAMES}
    boxes = to_pixels(face_box(anatomy, pose), size)
    overlays: list[Overlay] = []
    observed = frames
    if occluded:
        for overlay in _occlude(stream(Stream.OCCLUDER), frames, boxes, light.gain, acts):
            overlays.append(overlay)
            observed = overlay.observed
    mask, box_mask = (np.zeros(frames.shape[:3], np.uint8) for _ in range(2))
    for overlay in overlays:
        mask |= overlay.mask
        box_mask |= overlay.box_mask

    # 4. The ground truth around them.
    neutral = _canonical(identity)
    rigid = np.stack([pixels[name] for name in RIGID_NAMES], axis=1)
    track = FaceTrack(
        face_box=boxes,
        midline=fit_midline(np.stack([pixels[name] for name in MIDLINE_NAMES], axis=1)),
        similarity=fit_similarity(neutral, rigid),
        axis_source=("truth",) * num_frames,
    )
    caption, clean_caption = caption_frames(
        stream(Stream.CAPTION),
        identity,
        expression,
        state,
        pose.yaw,
        scene.pattern,
        scene.colour,
        _hidden_parts(overlays, pixels, num_frames, size),
    )
    return SyntheticClip(
        clip_id=f"{subject:05d}_{clip:02d}",
        subject_id=f"{subject:05d}",
        observed=observed,
        mask=mask,
        track=track,
        frames=frames,
        frame_index=np.arange(num_frames),
        box_mask=box_mask,
        landmarks=np.stack([pixels[name] for name in LANDMARK_NAMES], axis=1),
        expression=expression,
        state=state,
        caption=caption,
        clean_caption=clean_caption,
    )


def _compose(
    patches: FacePatches, fields: HeadFields, background: UInt8Array, gain: FloatArray, grid: int
) -> Iterator[UInt8Array]:
    """Yield the clean frames ``[H, W, 3]``: light times painting, over the background."""
    size, side, frames = len(background), canvas_size(len(background)), len(gain)
    behind = background.astype(np.float32)
    heads = paint(patches.albedo, frames, side, (0, 0, 0, 0))
    reliefs = paint(patches.relief, frames, grid, (NEUTRAL,))
    for t, (head, relief) in enumerate(zip(heads, reliefs, strict=True)):
        # Painted edges are softer than a pixel of a large frame, as in a photograph.
        if size > MIN_SIZE:
            head[...] = cv2.GaussianBlur(head, (0, 0), 0.0022 * side)
        layer = shrink(head, size).astype(np.float32)
        folds = cv2.GaussianBlur(relief, (0, 0), 0.011 * grid).astype(np.float32) / NEUTRAL
        factor, shine = fields.factor[t] * folds[..., None], fields.shine[t]
        if grid != size:
            factor = cv2.resize(factor, (size, size), interpolation=cv2.INTER_CUBIC)
            shine = cv2.resize(shine, (size, size), interpolation=cv2.INTER_CUBIC)
        # The painted colours carry their coverage already (premultiplied alpha).
        coverage = layer[..., 3:] * np.float32(1 / 255)
        image = layer[..., :3] * factor + behind
        image += coverage * (shine[..., None] * np.float32(255) - behind)
        image *= gain[t].astype(np.float32)
        # A camera's shoulder: light skin in strong light keeps its shading.
        over = np.maximum(image - _SHOULDER, 0)
        image -= over * over * np.float32(1 / 220)
        yield np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _occlude(
    rng: np.random.Generator, frames: UInt8Array, boxes: FloatArray, gain: FloatArray, acts: int
) -> Iterator[Overlay]:
    """Yield the occluders, each drawn over the ones before."""
    schedules = _once(rng, len(frames)) if acts == 1 else _in_each_act(rng, len(frames), acts)
    for kind, cover, schedule in schedules:
        overlay = draw_occluder(rng, frames, boxes, kind, cover, schedule, gain)
        frames = overlay.observed
        yield overlay


def _once(rng: np.random.Generator, length: int) -> Iterator[tuple[str, float, Schedule]]:
    """Yield one occluder, in one clip of seven a second one over it.

    In nine clips of ten the first frames are clear.
    """
    pace = length / 16
    count = 2 if rng.uniform() < 1 / 7 else 1
    early = rng.uniform() < 0.1
    for _ in range(count):
        kind, cover = _kind_and_cover(rng)
        cover = cover if count == 1 else 0.6 * cover
        arrival = float(rng.uniform(1.0, 3.0)) * pace
        arrive = -2.0 * arrival if early else float(rng.integers(2, 5)) * pace
        leaves = rng.uniform() < 0.4
        leave = float(rng.uniform(0.6, 0.9)) * length if leaves else np.inf
        yield kind, cover, Schedule(arrive, arrival, leave, float(rng.uniform(1.5, 3.0)) * pace)


def _in_each_act(
    rng: np.random.Generator, length: int, acts: int
) -> Iterator[tuple[str, float, Schedule]]:
    """Yield an occluder for each act, which begins and ends clear."""
    pace = length / acts
    for act in range(acts):
        kind, cover = _kind_and_cover(rng)
        arrive, leave = act + rng.uniform(0.2, 0.3), act + rng.uniform(0.65, 0.75)
        arrival, departure = rng.uniform(0.06, 0.15), rng.uniform(0.08, 0.15)
        yield (
            kind,
            cover,
            Schedule(*(float(part * pace) for part in (arrive, arrival, leave, departure))),
        )


def _kind_and_cover(rng: np.random.Generator) -> tuple[str, float]:
    kind = str(rng.choice(("hand", "tube", "blanket"), p=(0.64, 0.16, 0.20)))
    return kind, float(rng.uniform(0.1, 0.6 if kind != "tube" else 0.35))


def _canonical(identity: Identity) -> FloatArray:
    """Return ``[N, 2]``: the subject's rigid landmarks in head coordinates, at rest, frontal."""
    at_rest = np.zeros((1, len(EXPRESSION_NAMES)), np.float32)
    at_rest[0, EXPRESSION_NAMES.index("eye_open")] = 0.8
    zero, one = np.zeros(1), np.ones(1)
    frontal = HeadPose(zero, zero, zero, one, np.zeros((1, 2)))
    landmarks = project_landmarks(build_anatomy(identity, at_rest), frontal)
    return np.stack([landmarks[name][0] for name in RIGID_NAMES])


_PARTS = {
    "the left eye": ("pupil_left",),
    "the right eye": ("pupil_right",),
    "the mouth": ("mouth_top", "mouth_bottom", "mouth_left", "mouth_right"),
    "the nose": ("nose_tip",),
    "the left cheek": ("cheek_left",),
    "the right cheek": ("cheek_right",),
    "the chin": ("chin",),
    "the forehead": ("forehead",),
}


def _hidden_parts(
    overlays: list[Overlay], pixels: dict[str, FloatArray], frames: int, size: int
) -> list[list[Hidden]]:
    """Return for each frame what each occluder hides."""
    at = {name: np.clip(np.rint(xy), 0, size - 1).astype(int) for name, xy in pixels.items()}
    index = np.arange(frames)
    items: list[list[Hidden]] = [[] for _ in range(frames)]
    for overlay in overlays:
        present = overlay.mask.any(axis=(1, 2))
        covered = {
            part: np.mean([overlay.mask[index, at[n][:, 1], at[n][:, 0]] for n in names], axis=0)
            for part, names in _PARTS.items()
        }
        for t in np.flatnonzero(present):
            hidden = tuple(part for part, share in covered.items() if share[t] > 0.5)
            items[t].append((overlay.description, hidden))
    return items
