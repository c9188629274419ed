"""How far a recording bears the model out (ours, not the paper's).

What a clear frame shows is known.  Hidden as other frames of the recording are hidden, and restored
from an earlier clear frame, it says how well the model restores this face, and how much of its
correction to the past guide is right: a model that has seen rendered faces only may correct a real
one too much.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.metrics import pooled_psnr
from diffmvr.pipelines.windows import paired
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.mask_io import MaskSource
from diffmvr.preprocessing.symmetry import GREY
from diffmvr.restoration.scene_plan import Survey
from diffmvr.structures import Clip, FloatArray, UInt8Array

MOST_FRAMES, LEAST_FRAMES = 8, 3
"""How many clear frames are hidden and restored at most; with fewer than three nothing is said."""


@dataclass(frozen=True)
class SelfCheck:
    """What the clear frames of a recording say of the model.

    Attributes:
        frames: how many were hidden and restored.
        psnr_model: PSNR in their holes in dB, at the model's resolution, the errors pooled.
        psnr_guide: the same of the past guide without the model.
        correction_weight: the share w of the model's correction, in [0, 1], with which guide +
            w · (model − guide) comes nearest to these frames.
        unled: the same as if there were no clear frame before, which counts for a recording that
            begins hidden: the model against the hole inpainted from its rim.
    """

    frames: int
    psnr_model: float
    psnr_guide: float
    correction_weight: float
    unled: "SelfCheck | None" = None

    @classmethod
    def compare(
        cls, model: UInt8Array, guide: UInt8Array, truth: UInt8Array, mask: UInt8Array
    ) -> "SelfCheck":
        """Compare what was restored with what was there.

        Args:
            model: ``[N, p, p, 3]`` uint8, frames restored by the model.
            guide: ``[N, p, p, 3]`` uint8, their past guides, or what else the model corrects.
            truth: ``[N, p, p, 3]`` uint8, what they show.
            mask: ``[N, p, p]`` 0/1, where they were hidden.
        """
        for name, picture in (("guide", guide), ("truth", truth)):
            check_same_shape(name, picture, "model", model)
        check_shape("mask", mask, model.shape[:3])
        hole = mask != 0
        correction, error = (
            picture[hole].astype(np.float64) - guide[hole] for picture in (model, truth)
        )
        size = float((correction**2).sum())
        weight = float((correction * error).sum()) / size if size else 1.0
        tensors = [_channels_first(picture) for picture in (model, guide, truth)]
        holes = torch.from_numpy(mask[:, None])
        return cls(
            frames=len(mask),
            psnr_model=float(pooled_psnr(tensors[0], tensors[2], holes)),
            psnr_guide=float(pooled_psnr(tensors[1], tensors[2], holes)),
            correction_weight=min(max(weight, 0.0), 1.0),
        )


def weights_of(check: SelfCheck | None) -> tuple[float, float]:
    """Return the shares of the model's correction that are taken: with a past guide, and without.

    Where the recording is silent, a guide is worth correcting.  Of a face that was never seen the
    model's picture is a guess, and the surroundings of the hole are at least there.
    """
    led = 1.0 if check is None else check.correction_weight
    unled = 0.0 if check is None or check.unled is None else check.unled.correction_weight
    return led, unled


@dataclass(frozen=True)
class Trial:
    """Frames to try the model on: ``now`` is hidden by the hole of ``hole`` and led by ``past``."""

    past: int
    now: int
    hole: int


def choose_trials(mask_share: FloatArray) -> list[Trial]:
    """Pick clear frames to hide, as far from an earlier clear frame as the hidden ones are.

    Args:
        mask_share: ``[T]``, hidden share of each frame.

    Returns:
        At most eight, spread over the recording; none where it has too few clear frames.
    """
    clear, hidden = np.flatnonzero(mask_share == 0), np.flatnonzero(mask_share > 0)
    before = np.searchsorted(clear, hidden) - 1
    led = hidden[before >= 0]
    if len(clear) <= LEAST_FRAMES or not len(led):
        return []
    age = int(np.median(led - clear[before[before >= 0]]))
    # The earlier clear frame, that old or as old as there is.
    past = clear[np.maximum(np.searchsorted(clear, clear - age, side="right") - 1, 0)]
    reach = clear - past
    usable = np.flatnonzero(reach >= max(min(age, reach.max()) / 2, 1))
    chosen = usable[_spread(len(usable), MOST_FRAMES)]
    holes = led[_spread(len(led), len(chosen))]
    return [
        Trial(int(past[i]), int(clear[i]), int(hole))
        for i, hole in zip(chosen, np.resize(holes, len(chosen)), strict=True)
    ]


def trial_clips(frames: FrameSource, masks: MaskSource, survey: Survey) -> Iterator[Clip]:
    """Yield clips of two frames: a clear one, and a later clear one that was hidden.

    Args:
        frames: the recording, which is read once more.
        masks: what hides the face.
        survey: the first pass over the same frames and masks.

    Yields:
        Clips of crops with their truth.  The hole lies in the crop as in the frame it is from.
    """
    trials = choose_trials(survey.mask_share)
    if not trials:
        return
    images: dict[int, UInt8Array] = {}
    holes: dict[int, UInt8Array] = {}
    shown = {index for trial in trials for index in (trial.past, trial.now)}
    needed = shown | {trial.hole for trial in trials}
    for frame, mask in paired(frames, masks):
        if frame.index in shown:
            images[frame.index] = survey.crops[frame.index].apply(frame.image)
        elif frame.index in needed:
            holes[frame.index] = survey.crops[frame.index].apply_mask(mask)
        if frame.index == max(needed):
            break
    for trial in trials:
        hole = holes[trial.hole]
        if hole.any() and not hole.all():
            yield _trial_clip(trial, images, hole, survey)


def _trial_clip(
    trial: Trial, images: Mapping[int, UInt8Array], hole: UInt8Array, survey: Survey
) -> Clip:
    truth = np.stack([images[trial.past], images[trial.now]])
    mask = np.stack([np.zeros_like(hole), hole])
    return Clip(
        clip_id=f"trial-{trial.now}",
        subject_id="",
        observed=np.where(mask[..., None] != 0, np.uint8(GREY), truth),
        mask=mask,
        track=survey.track.pick([trial.past, trial.now]),
        frames=truth,
        frame_index=np.array([trial.past, trial.now]),
    )


def _spread(length: int, count: int) -> list[int]:
    """Return at most ``count`` of ``length`` positions, evenly spread."""
    count = min(length, count)
    return ((np.arange(count) + 0.5) / max(count, 1) * length).astype(int).tolist()


def _channels_first(pictures: UInt8Array) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)
