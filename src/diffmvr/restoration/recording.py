"""The second pass over a recording: restore it window by window (paper 3.2, Mod_4).

T frames of H × W, crops of p × p, G guides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number
from diffmvr.models.guide_memory import GuideMemory
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.windows import FrameAndMask, paired, windows
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.preprocessing.mask_io import MaskSource
from diffmvr.preprocessing.symmetry import GREY
from diffmvr.restoration.detail import carry_detail
from diffmvr.restoration.lenders import FrameInPlace, Lenders
from diffmvr.restoration.paste_back import paste_back, paste_corrected, shows_all
from diffmvr.restoration.regions import crop_box
from diffmvr.restoration.restored_frame import FrameRecord, RestoredFrame
from diffmvr.restoration.scene_plan import Survey
from diffmvr.restoration.self_check import LEAST_FRAMES, SelfCheck, trial_clips
from diffmvr.structures import Clip, Guides, UInt8Array, join_clips


class VideoRestorer:
    """Restores a recording of any length, holding one window of frames and two clear ones.

    A frame's result depends on the frame, the clear frames before it and the survey only, not on
    where windows begin: every frame starts from the same noise, and the last clear frame is carried
    over from window to window, as are the frames that lend detail and the encodings of guides.

    Args:
        crops: the model and its guides.
        window: frames restored at a time.
        feather: width of the seam inside the hole, in pixels; see ``composite``.
        past_detail: whether the past clear frame lends detail finer than the model's pixels; see
            ``diffmvr.restoration.detail``.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        crops: CropRestorer,
        window: int = 16,
        feather: float = 0.0,
        past_detail: bool = True,
    ) -> None:
        check_number("window", window, 1, 10_000)
        check_number("feather", feather, 0.0, 10_000)
        self._crops = crops
        self._window = window
        self._feather = feather
        self._past_detail = past_detail and crops.led_by_past

    def restore(
        self,
        frames: FrameSource,
        masks: MaskSource,
        survey: Survey,
        correction_weight: float = 1.0,
        unled_weight: float = 1.0,
    ) -> Iterator[RestoredFrame]:
        """Read the recording again and restore it.

        Args:
            frames: the recording.
            masks: what hides the face.
            survey: the first pass over the same frames and masks.
            correction_weight: share of the model's correction to the past guide that is taken, in
                [0, 1]; see ``SelfCheck``.
            unled_weight: the same for frames that no clear frame comes before, where the model
                corrects what is inpainted from the rim of the hole.

        Yields:
            Every frame in order.

        Raises:
            ValueError: if a frame is hidden entirely and no guide knows anything of it.
        """
        memory = GuideMemory()
        lenders = Lenders()
        carried: Clip | None = None
        for window in windows(paired(frames, masks), self._window):
            clip = _cut(window, survey, carried)
            first = len(clip) - len(window)
            guides, carried = self._crops.find_guides(clip)
            restored = self._crops.restore(clip, guides, memory, seam=self._feather > 0)
            weights = correction_weight, unled_weight
            corrections = self._corrections(clip, guides, restored, weights)
            clear = self._crops.is_clear(clip)
            for k, (frame, mask) in enumerate(window, start=first):
                place = FrameInPlace(
                    frame.image, mask, survey.crops[frame.index], clip.track.similarity[k]
                )
                result = frame
                if mask.any():
                    region = survey.regions[frame.index]
                    image = self._lay_back(restored[k], corrections[k], place, region, lenders)
                    result = replace(frame, image=image)
                if clear[k]:
                    lenders.add(place)
                time = float(frame.pts * frames.info.time_base)
                record = self._record(clip, guides, k, survey, time)
                yield RestoredFrame(frame, result, mask, record)

    def check_on_clear_frames(
        self, frames: FrameSource, masks: MaskSource, survey: Survey
    ) -> SelfCheck | None:
        """Hide and restore clear frames of the recording, whose truth is known.

        Args:
            frames: the recording.
            masks: what hides the face.
            survey: the first pass over the same frames and masks.

        Returns:
            What they say; ``None`` where they are too few, or the past frame is no guide.
        """
        if not self._crops.led_by_past:
            return None
        trials = list(trial_clips(frames, masks, survey))
        if len(trials) < LEAST_FRAMES:
            return None
        memory, past = GuideMemory(), self._crops.kinds.index("past")
        guides = [self._crops.find_guides(clip)[0] for clip in trials]
        known = [found.images[-1, past].copy() for found in guides]
        check = self._compare(trials, guides, known, memory)
        if survey.mask_share[0] == 0:
            return check
        # It begins hidden: the same as if there were no past frame.
        for found in guides:
            found.images[:, past], found.valid[:, past] = GREY, False
        known = [inpaint(clip.observed[-1], clip.mask[-1] != 0) for clip in trials]
        return replace(check, unled=self._compare(trials, guides, known, memory))

    def _compare(
        self,
        trials: Sequence[Clip],
        guides: Sequence[Guides],
        known: Sequence[UInt8Array],
        memory: GuideMemory,
    ) -> SelfCheck:
        """Restore the last frame of each clip; ``known`` is what the model corrects there."""
        pairs = zip(trials, guides, strict=True)
        restored = [self._crops.restore(clip, found, memory)[-1] for clip, found in pairs]
        return SelfCheck.compare(
            model=np.stack(restored),
            guide=np.stack(known),
            truth=np.stack([clip.frames[-1] for clip in trials if clip.frames is not None]),
            mask=np.stack([clip.mask[-1] for clip in trials]),
        )

    def _corrections(
        self, clip: Clip, guides: Guides, restored: UInt8Array, weights: tuple[float, float]
    ) -> list[NDArray[np.float32] | None]:
        """Return ``[p, p, 3]`` a frame, what is added to what is known; ``None`` where all counts.

        That is its past guide, and without one the hole inpainted.  The weights are of the two.
        With one below 1 the restored crops are changed accordingly.
        """
        corrections: list[NDArray[np.float32] | None] = [None] * len(clip)
        if not self._crops.led_by_past:
            return corrections
        past = self._crops.kinds.index("past")
        for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
            led, hidden = bool(guides.valid[t, past]), clip.mask[t] != 0
            weight = np.float32(weights[0] if led else weights[1])
            if not led and weight == 1:
                continue
            known = guides.images[t, past] if led else inpaint(clip.observed[t], hidden)
            correction = weight * (restored[t] - known.astype(np.float32))
            correction[~hidden] = 0
            restored[t] = np.rint(np.where(hidden[..., None], known + correction, restored[t]))
            corrections[t] = correction
        return corrections

    def _lay_back(
        self,
        restored: UInt8Array,
        correction: NDArray[np.float32] | None,
        place: FrameInPlace,
        region: CropTransform,
        lenders: Lenders,
    ) -> UInt8Array:
        """Return ``[H, W, 3]``, a frame with its hole filled."""
        frame = place.image, place.mask, place.crop
        past = lenders.frames()
        if self._past_detail and correction is not None:
            picture = carry_detail(place, region, past)
            return paste_corrected(correction, *frame, picture, self._feather)
        around = None
        if not shows_all(place.mask, place.crop):
            around = carry_detail(place, region, past)
        return paste_back(restored, *frame, self._feather, around)

    def _record(
        self, clip: Clip, guides: Guides, k: int, survey: Survey, time: float
    ) -> FrameRecord:
        """Return the report's row for frame ``k`` of the window."""
        index = int(clip.frame_index[k])
        restored = bool(survey.mask_share[index] > 0)
        past = None
        if restored and self._crops.led_by_past:
            past = int(guides.past_index[k])
        past_index = int(clip.frame_index[past]) if past is not None and past >= 0 else None
        valid = dict(zip(self._crops.kinds, guides.valid[k].tolist(), strict=True))
        return FrameRecord(
            index=index,
            time=time,
            restored=restored,
            mask_share=float(survey.mask_share[index]),
            past_index=past_index,
            past_age=None if past_index is None else index - past_index,
            guide_valid=valid if restored else {},
            axis_source=survey.track.axis_source[index],
            region_source=survey.region_source[index],
            crop=_corner_and_side(survey.crops[index]),
            region=_corner_and_side(survey.regions[index]),
        )


def _corner_and_side(crop: CropTransform) -> tuple[float, float, float]:
    """Return x0, y0 and side of a square, in pixels from the frame's upper left edge."""
    x0, y0, x1, _ = (float(edge) + 0.5 for edge in crop_box(crop))
    return round(x0, 3), round(y0, 3), round(x1 - x0, 3)


def _cut(window: list[FrameAndMask], survey: Survey, carried: Clip | None) -> Clip:
    """Cut the crops of a window out of its frames, led by the carried frame if there is one."""
    first = window[0][0].index
    crops = survey.crops[first : first + len(window)]
    pairs = list(zip(window, crops, strict=True))
    clip = Clip(
        clip_id="window",
        subject_id="",
        observed=np.stack([crop.apply(frame.image) for (frame, _), crop in pairs]),
        mask=np.stack([crop.apply_mask(mask) for (_, mask), crop in pairs]),
        track=survey.track[first : first + len(window)],
        frames=None,
        frame_index=np.arange(first, first + len(window)),
    )
    return clip if carried is None else join_clips(carried, clip)
