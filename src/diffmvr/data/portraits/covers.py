"""What comes over a portrait while it is filmed."""

import numpy as np

from diffmvr.data.portraits.camera import Camera, Float32Array
from diffmvr.data.synthetic.occluders import Overlay, draw_occluder, draw_schedule
from diffmvr.structures import FloatArray, UInt8Array

KINDS = {"hand": 0.5, "cloth": 0.18, "blanket": 0.12, "tape": 0.12, "tube": 0.08}
"""How often each occluder is drawn."""

MOST_COVER = {"hand": 0.6, "cloth": 0.6, "blanket": 0.6, "tape": 0.25, "tube": 0.35}
LEAST_COVER = 0.1


def cover_frames(
    rng: np.random.Generator,
    frames: UInt8Array,
    scenes: Float32Array,
    boxes: FloatArray,
    camera: Camera,
) -> Overlay:
    """Put an occluder over a clip, in its light and with its camera's noise and compression.

    Args:
        rng: everything random about the occluder comes from here.
        frames: ``[T, H, W, 3]`` uint8, what the camera records without the occluder.
        scenes: ``[T, H, W, 3]`` float32 0–255, the same before noise and compression.
        boxes: ``[T, 4]`` of the face, pixels.
        camera: the camera.

    Returns:
        The overlay; ``observed`` equals ``frames`` wherever ``mask`` is 0.
    """
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    cover = float(rng.uniform(LEAST_COVER, MOST_COVER[kind]))
    schedule = draw_schedule(rng, len(frames))
    clean = np.clip(np.rint(scenes), 0, 255).astype(np.uint8)
    overlay = draw_occluder(rng, clean, boxes, kind, cover, schedule, camera.gain)
    observed = frames.copy()
    for t in map(int, np.flatnonzero(overlay.mask.any(axis=(1, 2)))):
        recorded = camera.record(overlay.observed[t].astype(np.float32), t)
        hidden = overlay.mask[t] != 0
        observed[t][hidden] = recorded[hidden]
    return Overlay(observed, overlay.mask, overlay.box_mask, overlay.description)
