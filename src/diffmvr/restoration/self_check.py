"""How well the model does on the recording's own clear frames (ours, not the paper's).

What a clear frame shows is known.  Hidden as other frames of its scene are hidden, and restored
from an earlier clear frame, it says how well the model restores this face, and how much of its
correction to the past guide is right: a model that has seen rendered faces only may correct a real
one too much.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.geometry import compose
from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import Clip, FaceTrack, FloatArray, UInt8Array

MOST_FRAMES, LEAST_FRAMES = 8, 3
"""How many clear frames of a scene are hidden and restored at most; with fewer than three in all,
nothing is said."""

MAX_PSNR = 100.0
"""What identical pictures score, in dB."""


@dataclass(frozen=True)
class Tally:
    """Sums over the hidden values of frames that were tried; tallies of several scenes add up.

    Attributes:
        frames: how many were hidden and restored.
        values: how many values (pixels × channels) were hidden in them.
        model: sum of the model's squared errors.
        guide: the same of what the model corrects.
        size: sum of the squares of the model's correction.
        product: sum of the products of correction and error of what is corrected.
    """

    frames: int = 0
    values: int = 0
    model: float = 0.0
    guide: float = 0.0
    size: float = 0.0
    product: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.frames + other.frames,
            self.values + other.values,
            self.model + other.model,
            self.guide + other.guide,
            self.size + other.size,
            self.product + other.product,
        )

    def error(self, weight: float) -> float | None:
        """Return the root mean squared error in grey levels; ``None`` where too few were tried.

        Args:
            weight: share of the model's correction that is taken.
        """
        if self.frames < LEAST_FRAMES:
            return None
        squares = self.guide - 2 * weight * self.product + weight**2 * self.size
        return float(np.sqrt(max(squares, 0.0) / self.values))

    @classmethod
    def of(
        cls, model: UInt8Array, guide: UInt8Array, truth: UInt8Array, mask: UInt8Array
    ) -> "Tally":
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
        restored, known, shown = (part[hole].astype(np.float64) for part in (model, guide, truth))
        correction, error = restored - known, shown - known
        return cls(
            frames=len(mask),
            values=correction.size,
            model=float(((restored - shown) ** 2).sum()),
            guide=float((error**2).sum()),
            size=float((correction**2).sum()),
            product=float((correction * error).sum()),
        )


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
    def from_tally(cls, led: Tally, unled: Tally | None = None) -> "SelfCheck | None":
        """Say what the sums mean; ``None`` where too few frames were tried."""
        if led.frames < LEAST_FRAMES:
            return None
        weight = led.product / led.size if led.size else 1.0
        return cls(
            frames=led.frames,
            psnr_model=_decibels(led.model / led.values),
            psnr_guide=_decibels(led.guide / led.values),
            correction_weight=min(max(weight, 0.0), 1.0),
            unled=None if unled is None else cls.from_tally(unled),
        )


def weights_of(check: SelfCheck | None) -> tuple[float, float]:
    """Return the shares of the model's correction that are taken: with a past guide, and without.

    Where the recording is silent, a guide is worth correcting.  Of a face that was never seen the
    model's picture is a guess, and the surroundings of the hole are at least there.
    """
    led = 1.0 if check is None else check.correction_weight
    unled = 0.0 if check is None or check.unled is None else check.unled.correction_weight
    return led, unled


@dataclass(frozen=True, eq=False)
class ClearPicture:
    """What a clear frame shows of the face's surroundings.

    Attributes:
        index: number of the frame in the recording.
        image: ``[s, s, 3]`` uint8.
        square: its place in the frame.
    """

    index: int
    image: UInt8Array
    square: CropTransform

    def in_crop(self, crop: CropTransform) -> UInt8Array:
        """Return what the picture shows of a crop of the same frame."""
        way = compose(crop.matrix, self.square.inverse)
        size = self.image.shape[0]
        return CropTransform(way, crop.size, (size, size)).apply(self.image)


@dataclass(frozen=True)
class Trial:
    """Frames to try the model on: ``now`` is hidden by the hole of ``hole`` and led by ``past``."""

    past: int
    now: int
    hole: int


def choose_trials(mask_share: FloatArray, known: NDArray[np.int64] | None = None) -> list[Trial]:
    """Pick clear frames to hide, as far from an earlier clear frame as the hidden ones are.

    Args:
        mask_share: ``[T]``, hidden share of each frame of a scene.
        known: the clear frames whose pictures are at hand, in order; ``None``: all.

    Returns:
        At most eight, spread over the scene; none where it has too few clear frames.
    """
    clear, hidden = np.flatnonzero(mask_share == 0), np.flatnonzero(mask_share > 0)
    before = np.searchsorted(clear, hidden) - 1
    led = hidden[before >= 0]
    known = clear if known is None else known[mask_share[known] == 0]
    if len(known) <= LEAST_FRAMES or not len(led):
        return []
    age = int(np.median(led - clear[before[before >= 0]]))
    # The earlier clear frame, that old or as old as there is.
    past = known[np.maximum(np.searchsorted(known, known - age, side="right") - 1, 0)]
    reach = known - past
    usable = np.flatnonzero(reach >= max(min(age, reach.max()) / 2, 1))
    chosen = usable[_spread(len(usable), MOST_FRAMES)]
    holes = led[_spread(len(led), len(chosen))]
    return [
        Trial(int(past[i]), int(known[i]), int(hole))
        for i, hole in zip(chosen, np.resize(holes, len(chosen)), strict=True)
    ]


def trial_clips(
    mask_share: FloatArray,
    clear: Mapping[int, ClearPicture],
    holes: Mapping[int, UInt8Array],
    crops: Sequence[CropTransform],
    track: FaceTrack,
    frame_index: NDArray[np.int64],
) -> Iterator[Clip]:
    """Yield clips of a scene: clear frames, and a later clear one that was hidden.

    Args:
        mask_share: ``[T]``, hidden share of each frame of the scene.
        clear: pictures of clear frames, by their number in the recording.
        holes: ``[p, p]`` 0/1, masks of hidden frames in their crops, by their place in the scene.
        crops: T crops of p × p.
        track: where the face is in them.
        frame_index: ``[T]``, numbers of the frames in the recording.

    Yields:
        Clips of crops with their truth, the clear frames at hand up to the one that leads the last.
        The hole lies in the crop as in the frame it is from.
    """
    places = np.array([t for t, index in enumerate(frame_index) if int(index) in clear], np.int64)
    share = mask_share.copy()
    # Only holes that are at hand can be laid over another frame.
    lost = [t for t in np.flatnonzero(share > 0) if t not in holes]
    share[lost] = np.nan
    for trial in choose_trials(share, places):
        hole = holes[trial.hole]
        if not hole.any() or hole.all():
            continue
        shown = [*places[places <= trial.past].tolist(), trial.now]
        truth = np.stack([clear[int(frame_index[t])].in_crop(crops[t]) for t in shown])
        mask = np.zeros((len(shown), *hole.shape), np.uint8)
        mask[-1] = hole
        yield Clip(
            clip_id=f"trial-{frame_index[trial.now]}",
            subject_id="",
            observed=np.where(mask[..., None] != 0, np.uint8(GREY), truth),
            mask=mask,
            track=track.pick(shown),
            frames=truth,
            frame_index=frame_index[shown],
        )


def far_enough(trial: Clip, references: Iterable[Reference]) -> list[Reference]:
    """Return the references that are as far from a trial's hidden frame as the one before it is.

    Args:
        trial: from ``trial_clips``; its last frame is the hidden one.
        references: of the same scene, and pictures that are not of the recording.
    """
    past, now = trial.frame_index[-2:].tolist()
    return [one for one in references if not one.is_of_recording or one.index >= 2 * now - past]


def _spread(length: int, count: int) -> list[int]:
    """Return at most ``count`` of ``length`` positions, evenly spread."""
    count = min(length, count)
    return ((np.arange(count) + 0.5) / max(count, 1) * length).astype(int).tolist()


def _decibels(error: float) -> float:
    return float(min(10 * np.log10(255**2 / max(error, 1e-12)), MAX_PSNR))
