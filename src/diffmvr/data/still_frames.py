"""Single clean frames of a few people, with holes to put over them: what rivals are tuned on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffmvr.data.sources import ClipSource
from diffmvr.structures import Clip, UInt8Array


@dataclass(frozen=True)
class StillFrames:
    """Frames without an occluder, and masks of occluders from the same people's clips.

    Attributes:
        images: ``[N, H, W, 3]`` uint8, what is to be restored.
        masks: ``[M, H, W]`` uint8 0/1, 1 = hidden; each hides something.
        subjects: whose faces they are.
    """

    images: UInt8Array
    masks: UInt8Array
    subjects: tuple[str, ...]


def choose_still_frames(
    source: ClipSource,
    indices: Sequence[int],
    subjects: int | None = None,
    frames: int | None = None,
    seed: int = 0,
) -> StillFrames:
    """Choose frames of some people, as many of each, evenly spread over their clips.

    Args:
        source: clips with known truth.
        indices: the clips that may be used, e.g. the training split's.
        subjects: number of people, drawn by ``seed``; ``None`` takes all.
        frames: number of frames in all; a person with fewer than their share gives all they have.
            ``None`` takes every frame.
        seed: of the draw.

    Raises:
        ValueError: if there are fewer people, fewer frames than people are asked for, a clip's
            truth is not known, or nothing is hidden anywhere.
    """
    people = list(dict.fromkeys(source.subject_ids[index] for index in indices))
    count = len(people) if subjects is None else subjects
    if not 1 <= count <= len(people):
        raise ValueError(
            f"subjects: expected 1 to {len(people)}, the people of the training split, got "
            f"{subjects}; use more data"
        )
    if frames is not None and frames < count:
        raise ValueError(
            f"frames: expected at least one of each of the {count} subjects, got {frames}"
        )
    order = np.random.default_rng(seed).permutation(len(people))[:count]
    chosen = tuple(people[number] for number in order)
    images, masks = [], []
    for number, person in enumerate(chosen):
        clips = [source[index] for index in indices if source.subject_ids[index] == person]
        clean = np.concatenate([_truth(clip) for clip in clips])
        share = len(clean)
        if frames is not None:
            share = min(share, frames // count + (number < frames % count))
        images.append(clean[np.linspace(0, len(clean) - 1, share).round().astype(int)])
        masks += [clip.mask[clip.mask.any(axis=(1, 2))] for clip in clips]
    holes = np.concatenate(masks)
    if not len(holes):
        raise ValueError(f"source: nothing is hidden in the clips of {count} people; use more")
    return StillFrames(np.concatenate(images), holes, chosen)


def _truth(clip: Clip) -> UInt8Array:
    if clip.frames is None:
        raise ValueError(
            f"clip {clip.clip_id}: training needs frames whose truth is known, got a clip whose "
            "occluder is real"
        )
    return clip.frames
