"""The guide images of a clip, found in the clip itself (paper 3.2)."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_number, check_one_of
from diffmvr.geometry import compose, invert
from diffmvr.own_code import check_choice
from diffmvr.preprocessing.alignment import propagate_past
from diffmvr.preprocessing.bank import Reference, ReferenceBank, others_leading
from diffmvr.preprocessing.composition import Composite, compose_references
from diffmvr.preprocessing.frame_guides import frame_guide
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.preprocessing.layers import Motions, propagate_in_layers
from diffmvr.preprocessing.picture import Picture
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.preprocessing.threads import in_order
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import (
    CLEAR_THRESHOLD,
    GUIDE_KINDS,
    Clip,
    FloatArray,
    Guides,
    PastSelection,
    UInt8Array,
)

ALIGNMENTS = ("layers", "flow", "similarity", "none")


class PastFrame(NamedTuple):
    """A frame to take pixels from: ``[H, W, 3]`` uint8 and its mask ``[H, W]``, 1 = unknown."""

    image: UInt8Array
    mask: UInt8Array


class AutomaticGuides:
    """Build the guides from what the camera saw, the mask and the face track, and nothing else.

    - ``"symmetric"``: the visible part of the frame mirrored about the facial midline.  Not valid
      where the frame is occluded and the mirror shows no hidden pixel of the face box.
    - ``"past"``: the most recent earlier frame whose face is unobstructed, carried to the current
      one.  Not valid, and grey, where there is none.  With ``"layers"``, what it does not show is
      the current frame, inpainted from its rim (Telea) where that is hidden too.  ``past`` can ask
      for the best of several such frames, or for their mixture, where the frame is occluded.
    - ``"present"``: the current frame with its hole grey (decisions 12).  Always valid.
    - ``"module:function"``: one of the user's own, called as ``function(clip, t)`` for frame ``t``;
      it returns what ``frame_guides.FrameGuide`` says.

    Args:
        kinds: the guides in order, each one of those above.
        clear_threshold: largest occluded share of the face box of an unobstructed frame.
        align_past: ``"similarity"`` carries the past frame by the motion of the head,
            ``"flow"`` refines that by dense flow in the frames that are occluded, ``"layers"``
            lets each pixel there follow the head, the flow or nothing (see ``layers.py``), and
            ``"none"`` leaves the past frame as it is (the paper; decisions 20).
        past: which clear frames make the past guide; the latest by default.
        workers: how many frames' mixtures are made at once; the result does not change.

    Raises:
        ValueError: on an unknown kind or alignment, a repeated kind or none at all.
    """

    def __init__(
        self,
        kinds: Sequence[str] = ("symmetric", "past"),
        clear_threshold: float = CLEAR_THRESHOLD,
        align_past: str = "layers",
        past: PastSelection | Mapping[str, Any] | None = None,
        workers: int = 1,
    ) -> None:
        for kind in kinds:
            check_choice("kinds", kind, GUIDE_KINDS)
        if not kinds or len(set(kinds)) != len(kinds):
            raise ValueError(f"kinds: expected one or more different guides, got {list(kinds)}")
        check_number("clear_threshold", clear_threshold, 0.0, 1.0)
        self.kinds = tuple(kinds)
        self._of_one_frame = {kind: frame_guide(kind) for kind in self.kinds if kind != "past"}
        self.clear_threshold = clear_threshold
        self.align_past = align_past
        self._workers = workers
        # Hydra hands over a mapping.
        if not isinstance(past, PastSelection):
            past = PastSelection.from_settings(past or {})
        self.past = past
        check_alignment(align_past, self.past)

    def __call__(self, clip: Clip) -> Guides:
        """Return the guides of every frame of ``clip``; ``clip.frames`` is not looked at."""
        return self.with_references(clip)[0]

    def is_clear(self, clip: Clip) -> NDArray[np.bool_]:
        """Return ``[T]``, whether a frame's face is clear enough to lead later ones."""
        return occluded_share(clip.mask, clip.track.face_box) <= self.clear_threshold

    def with_references(
        self, clip: Clip, others: Sequence[Reference] | None = None
    ) -> tuple[Guides, Clip | None]:
        """Return the guides, and the unobstructed frames that lead later ones if the past is one.

        Those frames are a clip, to put before the frames that follow: their guides are then what
        they would be, had the whole recording been one clip.

        Args:
            clip: the frames.
            others: what else a mixture is made of: frames of the recording, of which each frame
                takes those after it, and pictures that are not of it.  ``None``: the clip is the
                whole recording, and with ``past.reach=both`` its later frames lead, too.
        """
        share = occluded_share(clip.mask, clip.track.face_box)
        past_index = past_clear_index(share, self.clear_threshold)
        clear = self._clear_frames(clip)
        banks = self._banks(clip)
        if others is None:
            others = banks[-1].references if self.past.reach == "both" else ()
        mixed = self._mixtures(clip, banks, others)
        shown = {t: self._complete(clip, t, one.image, one.known) for t, one in mixed.items()}
        if "past" in self.kinds:
            for t in np.flatnonzero(past_index >= 0).tolist():
                if t not in mixed:
                    past = int(past_index[t])
                    shown[t] = self._past(clip, clear[past], past, t)
        weights = {t: composite.weights for t, composite in mixed.items()}
        guides = replace(self.led_by(clip, shown), past_index=past_index, references=weights)
        return guides, self._leading(clip, clear, banks[-1])

    def led_by(self, clip: Clip, past: Mapping[int, UInt8Array]) -> Guides:
        """Return the guides of every frame, the past ones as they are given.

        Args:
            clip: the frames.
            past: ``[H, W, 3]`` uint8 by the frame's place in the clip; the others have none.
        """
        length, height, width, _ = clip.observed.shape
        images = np.full((length, len(self.kinds), height, width, 3), GREY, np.uint8)
        valid = np.zeros((length, len(self.kinds)), bool)
        for t in range(length):
            for g, kind in enumerate(self.kinds):
                if kind in self._of_one_frame:
                    images[t, g], valid[t, g] = self._of_one_frame[kind](clip, t)
                elif t in past:
                    images[t, g], valid[t, g] = past[t], True
        return Guides(images, valid, np.full(length, -1))

    def references(self, clip: Clip) -> Clip | None:
        """Return the unobstructed frames that lead later ones; see ``with_references``."""
        clear = {} if self._mixes else self._clear_frames(clip)
        return self._leading(clip, clear, self._banks(clip)[-1])

    @property
    def _mixes(self) -> bool:
        return "past" in self.kinds and self.past.mixes

    def _banks(self, clip: Clip) -> list[ReferenceBank]:
        """Return the bank before each frame, and after the last; empty where nothing is mixed."""
        banks = [ReferenceBank(self.past.size)]
        for t, clear in enumerate(self.is_clear(clip)):
            joins = self._mixes and clear
            banks.append(banks[-1].add(reference_of(clip, t)) if joins else banks[-1])
        return banks

    def _mixtures(
        self, clip: Clip, banks: Sequence[ReferenceBank], others: Sequence[Reference]
    ) -> dict[int, Composite]:
        """Return the mixtures that lead occluded frames, by index in the clip."""
        if not self._mixes:
            return {}

        def mix(t: int) -> Composite | None:
            bank = banks[t].after(others_leading(others, int(clip.frame_index[t])))
            if not len(bank):
                return None
            current, most = reference_of(clip, t), self.past.most_carried
            return compose_references(
                bank.references, current, most=most, mirrored=self.past.mirrored
            )

        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2))).tolist()
        with closing(in_order(mix, hidden, self._workers)) as mixtures:
            pairs = zip(hidden, mixtures, strict=True)
            return {t: composite for t, composite in pairs if composite is not None}

    def _leading(
        self, clip: Clip, clear: Mapping[int, PastFrame], bank: ReferenceBank
    ) -> Clip | None:
        """Return as a clip what leads later frames: the last clear frame, or the bank."""
        if not self._mixes:
            return _last_alone(clip, clear)
        places = {int(index): t for t, index in enumerate(clip.frame_index)}
        return clip.pick([places[one.index] for one in bank.references]) if len(bank) else None

    def _clear_frames(self, clip: Clip) -> dict[int, PastFrame]:
        """Return the unobstructed frames by their index; none where the past is no guide.

        An unobstructed face can have an occluder beside it.  With ``"layers"``, what that hides is
        filled from the unobstructed frame before, itself so filled.
        """
        frames: dict[int, PastFrame] = {}
        before: int | None = None
        if "past" not in self.kinds:
            return frames
        for t in np.flatnonzero(self.is_clear(clip)).tolist():
            frame = PastFrame(clip.observed[t], clip.mask[t])
            hidden = frame.mask != 0
            if self.align_past == "layers" and before is not None and hidden.any():
                carried, known = self._carry_past(clip, frames[before], before, t)
                frame = PastFrame(
                    np.where(hidden[..., None], carried, frame.image),
                    (hidden & ~known).astype(np.uint8),
                )
            frames[t], before = frame, t
        return frames

    def _past(self, clip: Clip, frame: PastFrame, past: int, current: int) -> UInt8Array:
        """Return the past guide of frame ``current``, ``[H, W, 3]``."""
        carried, known = self._carry_past(clip, frame, past, current)
        if self.align_past != "layers":
            return carried
        return self._complete(clip, current, carried, known)

    def _complete(
        self, clip: Clip, current: int, carried: UInt8Array, known: NDArray[np.bool_]
    ) -> UInt8Array:
        """Return what was carried, and the current frame, inpainted, where that is not known."""
        hidden = clip.mask[current] != 0
        filled = np.where(known[..., None], carried, clip.observed[current])
        return inpaint(filled, hidden & ~known)

    def _carry_past(
        self, clip: Clip, frame: PastFrame, past: int, current: int
    ) -> tuple[UInt8Array, NDArray[np.bool_]]:
        """Return frame ``past`` as it would appear in frame ``current``, and where it is known."""
        track, identity = clip.track, np.eye(2, 3)
        images = frame.image, frame.mask, clip.observed[current], clip.mask[current]
        head = identity
        if self.align_past != "none":
            head = _carry(track.similarity, past, current)
        occluded = bool(clip.mask[current].any())
        if self.align_past == "layers" and occluded:
            still = identity if track.crop is None else _carry(track.crop, past, current)
            motions = Motions(head, still, track.similarity[current])
            return propagate_in_layers(*images, motions, self.past.mirrored)
        return propagate_past(*images, head, refine=self.align_past == "flow" and occluded)


def check_alignment(align_past: str, past: PastSelection) -> None:
    """Require a way of carrying past frames that is known and suits those that are chosen.

    Raises:
        ValueError: if it is unknown, or only one frame could be carried so.
    """
    check_one_of("align_past", align_past, ALIGNMENTS)
    if past.mirrored and align_past != "layers":
        raise ValueError(
            f"past.mirrored: what has changed is added to layers, got align_past={align_past!r}; "
            "set align_past=layers or past.mirrored=false"
        )
    if past.mixes and align_past != "layers":
        raise ValueError(
            f"past.select: {past.select!r} carries frames in layers, got "
            f"align_past={align_past!r}; set align_past=layers or past.select=recent"
        )


def reference_of(clip: Clip, t: int) -> Reference:
    """Return a frame of a clip as it enters a bank, or is led by one."""
    still = np.eye(2, 3) if clip.track.crop is None else clip.track.crop[t]
    picture = Picture(clip.observed[t], clip.mask[t])
    return Reference(int(clip.frame_index[t]), picture, clip.track.similarity[t], still)


def _last_alone(clip: Clip, clear: Mapping[int, PastFrame]) -> Clip | None:
    """Return the last unobstructed frame as a clip; ``None`` if there is none."""
    if not clear:
        return None
    index = max(clear)
    one = slice(index, index + 1)
    return Clip(
        clip.clip_id,
        clip.subject_id,
        observed=clear[index].image[None].copy(),
        mask=clear[index].mask[None].copy(),
        track=clip.track[one],
        frames=None,
        frame_index=clip.frame_index[one],
    )


def _carry(matrices: FloatArray, past: int, current: int) -> FloatArray:
    """Return the map from the past frame to the current one, ``matrices`` leading to each."""
    return compose(matrices[current], invert(matrices[past]))
