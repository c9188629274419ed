"""How ``real_clips.py`` scores a restoration of a real face: against its rivals, and its bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir

from diffmvr.config import config_dir
from diffmvr.evaluate import build_restorers, chosen_restorers
from diffmvr.evaluation.benchmark import AutoencoderCeiling
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.crop import CropTransform, crop_track
from diffmvr.reporting import score_row
from diffmvr.restoration.paste_back import paste_back
from diffmvr.restoration.regions import hole_box
from diffmvr.structures import Clip, FloatArray, Restorer, UInt8Array

SIDE = 256
"""Side of the squares in which every system is scored, in pixels."""

OURS = "diffmvr"
RIVALS = ("occluded", "paper", "copy_past_aligned", "past_guide")
"""Every restorer that ``python -m diffmvr.evaluate`` knows, by name or by set."""

SMALL = ("fourier_inpainter", "temporal_inpainter")
"""Trained on 64 × 64 faces: they see the squares that DiffMVR sees, and are pasted back as it."""

SHOWN = ("telea", "temporal_inpainter", "past_guide", "flow", OURS)
SHOWN_FRAMES = 2


@dataclass(frozen=True)
class Rivals:
    """Who DiffMVR is compared with.

    Attributes:
        native: work on the recording's own pixels, or scale them themselves.
        small: work at the model's size.
        missing: who cannot compete because weights or code are not present, with the reason.
    """

    native: Mapping[str, Restorer]
    small: Mapping[str, Restorer]
    missing: Mapping[str, str]


def build_rivals(overrides: Sequence[str] = ()) -> Rivals:
    """Build everybody whose weights are present.

    Args:
        overrides: settings of ``conf/evaluate.yaml``, such as ``baselines.lama.weights=PATH``.
    """
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        settings = compose("evaluate", list(overrides))
    names = [name for name in chosen_restorers(RIVALS, settings.restorer_sets) if name != OURS]
    built, missing = build_restorers(settings, names)
    return Rivals(
        native={name: one for name, one in built.items() if name not in SMALL},
        small={name: one for name, one in built.items() if name in SMALL},
        missing=missing,
    )


def score(
    clip: Clip,
    restored: Mapping[str, UInt8Array],
    rivals: Mapping[str, Restorer],
    mask_type: str,
    seed: int,
    landmarks: RealFaceScorer,
) -> tuple[list[dict[str, Any]], dict[str, UInt8Array]]:
    """Score restorations and rivals, and pick frames to show.

    The rivals work on the square around face and hole at the recording's own resolution.  All are
    scored after that square is resampled to 256 × 256 (averaging over areas), so that recordings
    of every size enter one table.

    Args:
        clip: the occluded recording with its truth.
        restored: ``[T, H, W, 3]`` uint8 by system, what was made of the whole frames.
        rivals: restorers by name.
        mask_type: for the record.
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
    systems = {name: [square.apply(image) for image in images] for name, images in restored.items()}
    systems |= {name: list(rival.restore(native)) for name, rival in rivals.items()}
    shown = frames_to_show(small.mask)
    rows, pictures = [], {"occluded": small.observed[shown]}
    # The bounds last.
    for name in sorted(systems, key=lambda name: name.endswith("(bound)")):
        reduced = np.stack([reduction.apply(image) for image in systems[name]])
        # A pixel with less than a thousandth of the hole in it counts as visible.
        reduced = np.where(small.mask[..., None] != 0, reduced, small.observed)
        scores = score_clip(reduced, small) | landmarks(reduced, small)
        rows.append(score_row(name, small, seed, mask_type, scores))
        pictures[name] = reduced[shown]
    order = ["occluded", *(name for name in SHOWN if name in pictures)]
    return rows, {name: pictures[name] for name in order} | {"truth": truth(small)[shown]}


def restore_squares(
    clip: Clip,
    squares: Sequence[Sequence[float]],
    pipeline: DiffMVRPipeline,
    rivals: Mapping[str, Restorer],
) -> dict[str, UInt8Array]:
    """Restore what goes through the model, at its size, by others and with the truth itself.

    No restoration by this model can be expected to score higher than the truth as the model could
    state it at best: ``resolution (bound)`` is the truth reduced to the model's few pixels and
    enlarged again, ``autoencoder (bound)`` has been through the autoencoder as well.

    Args:
        clip: the occluded recording with its truth.
        squares: T times x0, y0 and side of what went through the model, as in ``report.json``.
        pipeline: the model.
        rivals: restorers that work at its size, by name.

    Returns:
        ``[T, H, W, 3]`` uint8 by name.
    """
    size, frame_size = pipeline.resolution, clip.mask.shape[1:]
    crops = tuple(
        CropTransform(_to_square(x0, y0, size / side), size, frame_size) for x0, y0, side in squares
    )
    seen = crop_clip(clip, crops)
    filled = {name: rival.restore(seen) for name, rival in rivals.items()}
    filled["resolution (bound)"] = truth(seen)
    filled["autoencoder (bound)"] = AutoencoderCeiling(pipeline).restore(seen)
    frames = list(zip(clip.observed, clip.mask, crops, strict=True))
    return {
        name: np.stack(
            [paste_back(fill, *frame) for fill, frame in zip(fills, frames, strict=True)]
        )
        for name, fills in filled.items()
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
    true = np.stack([crop.apply(a) for crop, a in zip(crops, truth(clip), strict=True)])
    return replace(
        clip,
        observed=observed,
        mask=mask,
        frames=np.where(mask[..., None] != 0, true, observed),
        track=crop_track(clip.track, crops),
    )


def frames_to_show(mask: UInt8Array) -> list[int]:
    """Return some of the frames with a hole, evenly spread."""
    hidden = np.flatnonzero(mask.any(axis=(1, 2)))
    places = (np.arange(SHOWN_FRAMES) + 0.5) / SHOWN_FRAMES * len(hidden)
    return [int(hidden[int(place)]) for place in places]


def _to_square(x0: float, y0: float, zoom: float) -> FloatArray:
    """Return ``[2, 3]``: frame pixels → pixels of the square whose upper left edge is (x0, y0)."""
    return np.array([[zoom, 0, (0.5 - x0) * zoom - 0.5], [0, zoom, (0.5 - y0) * zoom - 0.5]])


def truth(clip: Clip) -> UInt8Array:
    """Return ``[T, H, W, 3]``, the clip as it would be if nothing hid it.

    Raises:
        ValueError: if nobody knows.
    """
    if clip.frames is None:
        raise ValueError(f"clip {clip.clip_id}: only recordings with known truth can be scored")
    return clip.frames
