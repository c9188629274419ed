"""How ``real_clips.py`` scores a restoration of a real face: against the floor, and its bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffmvr.baselines import get_restorer
from diffmvr.metrics import score_clip
from diffmvr.pipelines.benchmark import AutoencoderCeiling
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.landmark_scores import LandmarkScorer
from diffmvr.pipelines.paste_back import paste_back
from diffmvr.pipelines.regions import hole_box
from diffmvr.preprocessing.crop import CropTransform, crop_track
from diffmvr.reporting import score_row
from diffmvr.structures import Clip, FloatArray, UInt8Array

SIDE = 256
"""Side of the squares in which every system is scored, in pixels."""

FLOOR = ("occluded", "telea", "navier_stokes", "copy_past", "mirror", "flow")
SHOWN = ("diffmvr", "flow")
SHOWN_FRAMES = 3


def score(
    clip: Clip,
    restored: UInt8Array,
    bounds: Mapping[str, UInt8Array],
    seed: int,
    landmarks: LandmarkScorer,
) -> tuple[list[dict[str, Any]], dict[str, UInt8Array]]:
    """Score a restoration, the floor and the bounds, and pick frames to show.

    The floor works on the square around face and hole at the recording's own resolution.  All are
    scored after that square is resampled to 256 × 256 (averaging over areas), so that recordings
    of every size enter one table.

    Args:
        clip: the occluded recording with its truth.
        restored: ``[T, H, W, 3]`` uint8, what ``restore`` made of it.
        bounds: the same of :func:`bounds_of`.
        seed: of the restoration, for the record.
        landmarks: says how far the hidden landmarks of the face are off.

    Returns:
        Score rows, and by system the shown frames ``[F, 256, 256, 3]``.
    """
    square = square_around(clip)
    zoom = SIDE / square.size
    shift = (zoom - 1) / 2
    matrix = np.array([[zoom, 0, shift], [0, zoom, shift]])
    reduction = CropTransform(matrix, SIDE, (square.size, square.size))
    native = crop_clip(clip, (square,) * len(clip))
    small = crop_clip(native, (reduction,) * len(clip))
    whole = {"diffmvr": restored, **bounds}
    systems = {name: [square.apply(image) for image in images] for name, images in whole.items()}
    systems |= {name: list(get_restorer(name).restore(native)) for name in FLOOR}
    shown = frames_to_show(small.mask)
    rows, pictures = [], {"occluded": small.observed[shown]}
    for name in ("diffmvr", *FLOOR, *bounds):
        reduced = np.stack([reduction.apply(image) for image in systems[name]])
        # A pixel with less than a thousandth of the hole in it counts as visible.
        reduced = np.where(small.mask[..., None] != 0, reduced, small.observed)
        scores = score_clip(reduced, small) | landmarks(reduced, small)
        rows.append(score_row(name, small, seed, "segmentation", scores))
        if name in SHOWN:
            pictures[name] = reduced[shown]
    return rows, {**pictures, "truth": _truth(small)[shown]}


def bounds_of(
    clip: Clip, squares: Sequence[Sequence[float]], pipeline: DiffMVRPipeline
) -> dict[str, UInt8Array]:
    """Restore with the truth as the model could state it at best.

    No restoration by this model can be expected to score higher: ``resolution (bound)`` is the
    truth reduced to the model's few pixels and enlarged again, ``autoencoder (bound)`` has been
    through the autoencoder as well.

    Args:
        clip: the occluded recording with its truth.
        squares: T times x0, y0 and side of what went through the model, as in ``report.json``.
        pipeline: the model.

    Returns:
        ``[T, H, W, 3]`` uint8 by name.
    """
    size, frame_size = pipeline.resolution, clip.mask.shape[1:]
    crops = tuple(
        CropTransform(_to_square(x0, y0, size / side), size, frame_size) for x0, y0, side in squares
    )
    seen = crop_clip(clip, crops)
    best = {
        "resolution (bound)": _truth(seen),
        "autoencoder (bound)": AutoencoderCeiling(pipeline).restore(seen),
    }
    frames = list(zip(clip.observed, clip.mask, crops, strict=True))
    return {
        name: np.stack(
            [paste_back(fill, *frame) for fill, frame in zip(fills, frames, strict=True)]
        )
        for name, fills in best.items()
    }


def square_around(clip: Clip) -> CropTransform:
    """Return the square around face and hole in all frames, in whole pixels of the frame.

    It is no larger than the frame's shorter side: what a long arm hides beyond it, away from the
    face, is not scored.
    """
    height, width = clip.mask.shape[1:]
    box = clip.track.face_box
    face = np.array([box[:, :2].min(axis=0), box[:, 2:].max(axis=0)])
    hole = hole_box(clip.mask.max(axis=0)).reshape(2, 2)
    low, high = np.minimum(face[0], hole[0]), np.maximum(face[1], hole[1])
    side = int(min(max((high - low).max() + 1, SIDE), height, width))
    # In the middle of both, but no further from the face than it must.
    middle = np.clip((low + high) / 2, face[1] - side / 2, face[0] + side / 2)
    x0, y0 = np.clip(np.rint(middle - side / 2), 0, [width - side, height - side])
    return CropTransform(_to_square(x0, y0, 1.0), side, (height, width))


def crop_clip(clip: Clip, crops: tuple[CropTransform, ...]) -> Clip:
    """Cut a square out of every frame of a clip whose truth is known."""
    observed = np.stack([crop.apply(a) for crop, a in zip(crops, clip.observed, strict=True)])
    mask = np.stack([crop.apply_mask(a) for crop, a in zip(crops, clip.mask, strict=True)])
    truth = np.stack([crop.apply(a) for crop, a in zip(crops, _truth(clip), strict=True)])
    return replace(
        clip,
        observed=observed,
        mask=mask,
        frames=np.where(mask[..., None] != 0, truth, observed),
        track=crop_track(clip.track, crops),
    )


def frames_to_show(mask: UInt8Array) -> list[int]:
    """Return an early, a middle and a late one of the frames with a hole."""
    hidden = np.flatnonzero(mask.any(axis=(1, 2)))
    places = (np.arange(SHOWN_FRAMES) + 0.5) / SHOWN_FRAMES * len(hidden)
    return [int(hidden[int(place)]) for place in places]


def _to_square(x0: float, y0: float, zoom: float) -> FloatArray:
    """Return ``[2, 3]``: frame pixels → pixels of the square whose upper left edge is (x0, y0)."""
    return np.array([[zoom, 0, (0.5 - x0) * zoom - 0.5], [0, zoom, (0.5 - y0) * zoom - 0.5]])


def _truth(clip: Clip) -> UInt8Array:
    if clip.frames is None:
        raise ValueError(f"clip {clip.clip_id}: only recordings with known truth can be scored")
    return clip.frames
