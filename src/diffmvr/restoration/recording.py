"""The walk through a recording, one scene behind the first pass (paper 3.2, Mod_4).

T frames of H × W, crops of p × p, G guides.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_one_of
from diffmvr.doubt.sight import Judge
from diffmvr.models.guide_memory import GuideMemory
from diffmvr.pipelines.crop_restorer import CropRestorer, nothing_known
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.preprocessing.reference import occluded_share
from diffmvr.preprocessing.threads import in_order
from diffmvr.preprocessing.visible import GREY
from diffmvr.restoration.abstention import SHOWN_AS, with_judgement
from diffmvr.restoration.background import StillBackground
from diffmvr.restoration.borrowing import Borrower, borrowers, past_guides
from diffmvr.restoration.corrections import disagreements, take_corrections
from diffmvr.restoration.detail import Detail, carry_detail
from diffmvr.restoration.far_references import FarReference, as_native, as_small
from diffmvr.restoration.frame_rows import Led, frame_row
from diffmvr.restoration.kept import PART_FRAMES, KeptFrames
from diffmvr.restoration.laying_back import Hole, lay_back
from diffmvr.restoration.lenders import Lenders
from diffmvr.restoration.notes import picture_notes
from diffmvr.restoration.paste_back import shows_all
from diffmvr.restoration.report import RestoredFrame, Result
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.restoration.self_check import SelfCheck, Tally, far_enough, weights_of
from diffmvr.restoration.windows import (
    Window,
    age_of,
    cut_window,
    in_place,
    lend,
    read_window,
)
from diffmvr.structures import Clip, Guides, UInt8Array

WITHOUT_FACE = ("fill", "refuse")
NO_FACE_FOUND = "no face was found in this frame"


@dataclass
class _Person:
    """What is remembered of a person, until another one comes or there is a cut."""

    lenders: Lenders
    number: int | None = None
    # The user's pictures of the person.
    pictures: tuple[FarReference, ...] = ()
    memory: GuideMemory = field(default_factory=GuideMemory)
    # The clear frames that lead later ones.
    carried: Clip | None = None


class VideoRestorer:
    """Restores a recording of any length, holding one window of frames and a few clear ones.

    A frame's result depends on the frame, the clear frames of the same person and shot before it,
    the user's pictures and the plan only, not on where windows begin (nor on where plans begin,
    unless they hold references): every frame starts from the same noise, and the last clear frame
    is carried over from window to window, as are the frames that lend detail.  The encodings of
    guides are carried over up to the end of a part, where an interrupted restoration goes on: the
    last bits of an encoding depend on what is encoded beside it.

    Args:
        crops: the model and its guides.
        window: frames restored at a time.
        feather: width of the seam inside the hole, in pixels; see ``composite``.
        past_detail: whether the past clear frame lends detail finer than the model's pixels; see
            ``diffmvr.restoration.detail``.
        self_check: whether clear frames are hidden and restored first, and only as much of the
            model's correction is taken as is right on them; see ``SelfCheck``.
        no_face: what is done where something is hidden and no face was found: ``"fill"`` it with
            what stood still there and from its rim, or ``"refuse"``.
        workers: how many frames of a window are laid back at once; the result does not change.
        pictures: the user's own pictures of the person, which lead the first face of each shot:
            who is seen after a cut cannot be told, but a face elsewhere in the same shot is
            another person's.
        judge: says how sure each frame is; ``None``: nobody does.
        abstained: how frames are shown that the judge would rather not show; see ``abstention``.

    Raises:
        ValueError: if an argument is unknown or out of range.
    """

    def __init__(
        self,
        crops: CropRestorer,
        window: int = 16,
        feather: float = 0.0,
        past_detail: bool = True,
        self_check: bool = True,
        no_face: str = "fill",
        workers: int = 1,
        pictures: Sequence[FarReference] = (),
        judge: Judge | None = None,
        abstained: str = "occluder",
    ) -> None:
        check_number("window", window, 1, 10_000)
        check_number("feather", feather, 0.0, 10_000)
        check_one_of("no_face", no_face, WITHOUT_FACE)
        check_one_of("abstained", abstained, SHOWN_AS)
        self._crops = crops
        self._window = window
        self._feather = feather
        self._past_detail = past_detail and crops.led_by_past
        self._self_check = self_check
        self._no_face = no_face
        self._workers = workers
        self._pictures = tuple(pictures)
        self._judge = judge
        self._abstained = abstained
        self._names = {one.native.index: one.name for one in pictures}
        self._led, self._unled = Tally(), Tally()
        self._shots, self._strangers = 0, list[int]()

    @property
    def notes(self) -> list[str]:
        """What the reader of a report should know of whom the user's pictures have led."""
        return picture_notes(self._shots, self._strangers) if self._pictures else []

    @property
    def check(self) -> SelfCheck | None:
        """What clear frames have said of the model so far; ``None`` if they were too few."""
        unled = self._unled if self._unled.frames else None
        return SelfCheck.from_tally(self._led, unled)

    @property
    def weights(self) -> tuple[float, float]:
        """Shares of the model's correction that are taken: with a past guide, and without."""
        led, unled = weights_of(self.check) if self._self_check else (1.0, 1.0)
        # A picture of the user's own leads the frames that have no past one.
        return led, 1.0 if self._crops.own_guides else unled

    def restore(
        self,
        plans: Iterable[ScenePlan],
        frames: Iterable[FrameAndMask],
        kept: KeptFrames | None = None,
    ) -> Iterator[RestoredFrame]:
        """Read the recording again and restore it.

        Args:
            plans: the first pass over the same frames.
            frames: the frames in order, each with its mask where masks are given.
            kept: what an interrupted restoration had done, and where this one is kept; ``None``:
                nowhere.

        Yields:
            Every frame in order.

        Raises:
            ValueError: if a frame is hidden entirely and nothing is known of it, or hidden where no
                face was found and that is to be refused.
        """
        reader, kept = iter(frames), kept or KeptFrames()
        past = self._crops.past
        shot, background, person = -1, StillBackground(), _Person(Lenders(past))
        in_part = 0
        for plan in plans:
            if plan.shot != shot:
                shot, background, person = plan.shot, StillBackground(), _Person(Lenders(past))
            if plan.person not in (None, person.number):
                person = self._meet(plan, is_first=person.number is None)
            if plan.person is not None:
                self._try_out(plan, person)
            for first in range(0, len(plan), self._window):
                window = read_window(reader, plan, slice(first, first + self._window))
                planned = [frame_row(plan, first + k) for k in range(len(window))]
                recalled = kept.recall(window, planned)
                restored: Iterable[Result]
                if recalled is not None:
                    self._pass_over(plan, first, window, person, background)
                    restored = recalled
                elif plan.person is None:
                    restored = self._fill(plan, first, window, background)
                else:
                    restored = self._restore(plan, first, window, person)
                for (observed, mask), one in zip(window, restored, strict=True):
                    result = RestoredFrame(observed, one.frame, mask, one.record, one.doubt)
                    if recalled is None:
                        kept.note(result)
                    yield result
                in_part += len(window)
                if in_part >= PART_FRAMES:
                    in_part, person.memory = 0, GuideMemory()
                    kept.end_part()

    def _meet(self, plan: ScenePlan, is_first: bool) -> _Person:
        """Begin with a person, the first of a shot or one who comes after somebody else."""
        if is_first:
            self._shots += 1
        else:
            self._strangers.append(int(plan.frame_index[0]))
        pictures = self._pictures if is_first else ()
        return _Person(Lenders(self._crops.past), plan.person, pictures)

    def _try_out(self, plan: ScenePlan, person: _Person) -> None:
        """Hide and restore clear frames of a scene, whose truth is known."""
        if not (self._self_check and self._crops.led_by_past and plan.trials):
            return
        memory, past = GuideMemory(), self._crops.kinds.index("past")
        others = as_small((*person.pictures, *plan.references))
        guides = [
            self._crops.find_guides(clip, far_enough(clip, others))[0] for clip in plan.trials
        ]
        known = [found.images[-1, past].copy() for found in guides]
        self._led += self._compare(plan.trials, guides, known, memory)
        if person.lenders.latest is None and plan.mask_share[0] > 0 and not others:
            # It begins hidden: the same as if there were no past frame.
            for found in guides:
                found.images[:, past], found.valid[:, past] = GREY, False
            known = [inpaint(clip.observed[-1], clip.mask[-1] != 0) for clip in plan.trials]
            self._unled += self._compare(plan.trials, guides, known, memory)

    def _compare(
        self,
        trials: Sequence[Clip],
        guides: Sequence[Guides],
        known: Sequence[UInt8Array],
        memory: GuideMemory,
    ) -> Tally:
        """Restore the last frame of each clip; ``known`` is what the model corrects there."""
        pairs = zip(trials, guides, strict=True)
        restored = [self._crops.fill(clip, found, memory)[-1] for clip, found in pairs]
        return Tally.of(
            model=np.stack(restored),
            guide=np.stack(known),
            truth=np.stack([clip.frames[-1] for clip in trials if clip.frames is not None]),
            mask=np.stack([clip.mask[-1] for clip in trials]),
        )

    def _restore(
        self, plan: ScenePlan, first: int, window: Window, person: _Person
    ) -> Iterator[Result]:
        """Restore a window of frames that show a face; ``first`` is its place in the plan."""
        clip = cut_window(window, plan, first, person.carried)
        before = len(clip) - len(window)
        clear = self._crops.is_clear(clip)[before:]
        others = as_native((*person.pictures, *plan.references))
        frames = list(borrowers(plan, first, window, person.lenders, clear, others))
        with closing(in_order(self._carry, frames, self._workers)) as carried:
            details = list(carried)
        if self._mixes:
            guides = self._crops.led_by(clip, past_guides(frames, details))
        else:
            guides, person.carried = self._crops.find_guides(clip)
        seam, wanted = self._feather > 0, self._corrected(guides)
        restored = self._crops.fill(clip, guides, person.memory, seam, wanted)
        corrections: list[NDArray[np.float32] | None] = [None] * len(clip)
        mirrored = list(corrections)
        if self._crops.led_by_past:
            past = self._crops.kinds.index("past")
            corrections = take_corrections(clip, guides, restored, past, self.weights)
        if self._judge is not None:
            mirrored = disagreements(guides, self._crops.kinds)
        share = occluded_share(clip.mask, clip.track.face_box)
        holes = [
            Hole(
                *(window[k][0], one.place, restored[before + k], corrections[before + k], detail),
                hidden_share=float(share[before + k]),
                age=age_of(one.place, one.lent, plan),
                mirrored=mirrored[before + k],
            )
            for k, (one, detail) in enumerate(zip(frames, details, strict=True))
        ]
        fill = partial(
            lay_back,
            feather=self._feather,
            past_detail=self._past_detail,
            judge=self._judge,
            trial_error=self._led.error(self.weights[0]) if self._self_check else None,
        )
        with closing(in_order(fill, holes, self._workers)) as laid:
            for k, (result, said) in enumerate(laid):
                led = self._led_by(frames[k], details[k], guides.valid[before + k])
                record = frame_row(plan, first + k, led, self._names)
                yield with_judgement(window[k], Result(result, record), said, self._abstained)

    def _corrected(self, guides: Guides) -> NDArray[np.bool_]:
        """Return ``[T]``, the frames for which it matters what the model says."""
        everywhere = np.ones(len(guides.valid), bool)
        if not self._crops.led_by_past or self.weights[0] > 0:
            return everywhere
        # A seam outside the hole is measured in the model's own crop.
        if self._feather > 0 and not self._past_detail:
            return everywhere
        return ~guides.valid[:, self._crops.kinds.index("past")]

    def _led_by(self, one: Borrower, detail: Detail | None, valid: NDArray[np.bool_]) -> Led:
        """Return what led a frame, for its row in the report."""
        past = one.latest if self._crops.led_by_past else None
        weights = detail.composite.weights if self._mixes and detail and detail.composite else {}
        return Led(dict(zip(self._crops.kinds, valid.tolist(), strict=True)), past, weights)

    @property
    def _mixes(self) -> bool:
        """Whether the past guide is a mixture, which is made at the recording's resolution."""
        return self._crops.led_by_past and self._crops.past.mixes

    def _carry(self, one: Borrower) -> Detail | None:
        """Show what clear frames show of a frame, where that is asked for."""
        place = one.place
        if not place.mask.any():
            return None
        wanted = self._past_detail or (self._mixes and one.lent.references)
        if not wanted and shows_all(place.mask, place.crop):
            return None
        return carry_detail(place, one.region, one.lent)

    def _pass_over(
        self,
        plan: ScenePlan,
        first: int,
        window: Window,
        person: _Person,
        background: StillBackground,
    ) -> None:
        """Learn from a window that is restored already what leads the frames after it."""
        if plan.person is None:
            for frame, mask in window:
                background.add(frame.image, mask)
            return
        clip = cut_window(window, plan, first, person.carried)
        if not self._mixes:
            person.carried = self._crops.references(clip)
        before = len(clip) - len(window)
        for k in np.flatnonzero(self._crops.is_clear(clip)[before:]):
            lend(plan, in_place(plan, first + int(k), *window[k]), person.lenders)

    def _fill(
        self, plan: ScenePlan, first: int, window: Window, background: StillBackground
    ) -> Iterator[Result]:
        """Fill a window of frames in which no face was found."""
        for t, (frame, mask) in enumerate(window, start=first):
            result = frame
            if mask.any():
                if self._no_face == "refuse":
                    raise ValueError(
                        f"no_face: frame {frame.index} is hidden in part and no face was found in "
                        "it; give face_box=[x0,y0,x1,y1] or landmarker=PATH, or no_face=fill"
                    )
                if mask.all():
                    raise nothing_known(frame.index)
                result = replace(frame, image=background.fill(frame.image, mask))
            background.add(frame.image, mask)
            said = None
            if self._judge is not None and mask.any():
                said = self._judge.blind(None, NO_FACE_FOUND)
            yield with_judgement(
                (frame, mask), Result(result, frame_row(plan, t)), said, self._abstained
            )
