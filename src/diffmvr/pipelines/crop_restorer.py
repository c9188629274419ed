"""DiffMVR on crops of consecutive frames: the one class that restores, in scores and in recordings.

T frames, crops of p × p, G guides.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffmvr.checks import check_number
from diffmvr.models.guide_memory import GuideMemory
from diffmvr.models.guide_settings import check_guide_scales
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import (
    Clip,
    GuideBuilder,
    Guides,
    PastSelection,
    UInt8Array,
    to_pixel_values,
    to_uint8,
)


class FramePipeline(Protocol):
    """The part of ``DiffMVRPipeline`` that a recording needs."""

    @property
    def resolution(self) -> int:
        """Side p of the crops."""
        ...

    @property
    def guide_kinds(self) -> tuple[str, ...]:
        """Names of the guides in order."""
        ...

    def set_progress_bar_config(self, **options: Any) -> None:
        """Set the bar over denoising steps."""
        ...

    def __call__(
        self,
        pixel_values: Tensor,
        mask: Tensor,
        guide_pixel_values: Tensor,
        guide_valid: Tensor,
        **options: Any,
    ) -> Any:
        """Restore N crops; see ``DiffMVRPipeline``."""
        ...


class CropRestorer:
    """Finds the guides of crops, and fills their holes; every frame starts from the same noise.

    A ``Restorer`` of clips, and what a recording's restoration asks window by window.

    Args:
        pipeline: the model.
        guide_builder: finds the guides; its kinds must be the pipeline's.
        own_guides: pictures that replace the guides of the same kind found in the recording.
        num_inference_steps: denoising steps.
        guide_scales: α of each guide, or ``None`` for the model's own.
        seed: noise seed.
        batch_size: frames per call of the pipeline.
        name: name in the tables.

    Raises:
        ValueError: if an argument does not fit the model or is out of range.
    """

    def __init__(
        self,
        pipeline: FramePipeline,
        guide_builder: GuideBuilder,
        own_guides: Mapping[str, OwnGuide] | None = None,
        num_inference_steps: int = 1,
        guide_scales: Sequence[float] | None = None,
        seed: int = 0,
        batch_size: int = 16,
        name: str = "diffmvr",
    ) -> None:
        self.kinds = tuple(pipeline.guide_kinds)
        if tuple(guide_builder.kinds) != self.kinds:
            raise ValueError(
                f"guide_builder: the model was trained with guides {self.kinds}, "
                f"got {tuple(guide_builder.kinds)}"
            )
        self.own_guides = dict(own_guides or {})
        for kind in self.own_guides:
            check_guide_kind(kind, self.kinds)
        if guide_scales is not None:
            check_guide_scales(guide_scales, self.kinds)
        check_number("steps", num_inference_steps, 1, 1000)
        check_number("seed", seed, 0, 2**63 - 1)
        check_number("batch_size", batch_size, 1, 100_000)
        pipeline.set_progress_bar_config(disable=True)
        self.name = name
        self._pipeline = pipeline
        self._guide_builder = guide_builder
        self._steps = num_inference_steps
        self._guide_scales = guide_scales
        self._seed = seed
        self._batch_size = batch_size

    @property
    def led_by_past(self) -> bool:
        """Whether its past guide is a frame of the recording, no picture of the user's own."""
        return "past" in self.kinds and "past" not in self.own_guides

    @property
    def past(self) -> PastSelection:
        """Which clear frames make its past guide."""
        builder = self._guide_builder
        return builder.past if isinstance(builder, AutomaticGuides) else PastSelection()

    def restore(self, clip: Clip) -> UInt8Array:
        """Restore a clip at the model's own size, led by the guides found in it.

        Returns:
            ``[T, p, p, 3]`` uint8; equal to ``clip.observed`` wherever the mask is 0.

        Raises:
            ValueError: if the clip's size is not the model's, or its output is no number.
        """
        side = self._pipeline.resolution
        if clip.observed.shape[1:3] != (side, side):
            raise ValueError(
                f"clip {clip.clip_id}: the model restores {side} × {side} frames, got "
                f"{clip.observed.shape[1]} × {clip.observed.shape[2]}; crop and resize first"
            )
        return self.fill(clip, self._guide_builder(clip), GuideMemory())

    def is_clear(self, clip: Clip) -> NDArray[np.bool_]:
        """Return ``[T]``, whether a frame's face is clear enough to lead later ones."""
        return self._carrying_guides().is_clear(clip)

    def references(self, clip: Clip) -> Clip | None:
        """Return what ``find_guides`` carries over to the next window, and look for no guides."""
        return self._carrying_guides().references(clip)

    def find_guides(
        self, clip: Clip, others: Sequence[Reference] = ()
    ) -> tuple[Guides, Clip | None]:
        """Find the guides of a window, and put the user's own pictures in their place.

        Args:
            clip: the window.
            others: what the past guide is mixed of beside the clear frames so far; see
                ``AutomaticGuides.with_references``.

        Returns:
            Them, and the clear frames that lead later ones, to be carried over to the next window.

        Raises:
            ValueError: if a frame is hidden entirely and no guide knows anything of it, or the
                guide builder is not one that carries clear frames over.
        """
        guides, last_clear = self._carrying_guides().with_references(clip, others)
        return self._with_own(clip, guides), last_clear

    def led_by(self, clip: Clip, past: Mapping[int, UInt8Array]) -> Guides:
        """Return the guides of a window whose past guides were found elsewhere.

        Args:
            clip: the window.
            past: ``[p, p, 3]`` uint8 by the frame's place in the clip.

        Raises:
            ValueError: as ``find_guides``.
        """
        return self._with_own(clip, self._carrying_guides().led_by(clip, past))

    def _with_own(self, clip: Clip, guides: Guides) -> Guides:
        """Put the user's own pictures in the place of guides; require that something is known."""
        size = clip.observed.shape[1]
        for kind, own in self.own_guides.items():
            g = self.kinds.index(kind)
            guides.valid[:, g] = True
            for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
                guides.images[t, g] = own.in_crop(clip.track.similarity[t], size)
        self._check_visible(clip, guides)
        return guides

    def fill(
        self,
        clip: Clip,
        guides: Guides,
        memory: GuideMemory,
        seam: bool = False,
        wanted: NDArray[np.bool_] | None = None,
    ) -> UInt8Array:
        """Fill the holes of crops; frames without one do not go through the model.

        Args:
            clip: crops of consecutive frames.
            guides: theirs.
            memory: encodings of guides that came before.
            seam: whether the visible parts are the model's, too, so that a seam can be measured.
            wanted: ``[T]``, which frames are filled; all by default.

        Returns:
            ``[T, p, p, 3]`` uint8.

        Raises:
            ValueError: if the model's output is no number.
        """
        restored = clip.observed.copy()
        holes = clip.mask.any(axis=(1, 2))
        hidden = np.flatnonzero(holes if wanted is None else holes & wanted)
        for first in range(0, len(hidden), self._batch_size):
            frames = hidden[first : first + self._batch_size]
            mask = clip.mask[frames]
            output = self._pipeline(
                to_pixel_values(clip.observed[frames]),
                torch.from_numpy(mask[:, None]).float(),
                to_pixel_values(guides.images[frames]),
                torch.from_numpy(guides.valid[frames]),
                num_inference_steps=self._steps,
                guide_scales=self._guide_scales,
                generator=torch.Generator().manual_seed(self._seed),
                composite=not seam,
                guide_memory=memory,
            )
            numbers = clip.frame_index[frames].tolist()
            filled = to_uint8(output.pixel_values, numbers, f"{self.name}, clip {clip.clip_id}")
            # Copied in uint8, so that visible pixels stay the observed ones bit for bit.
            taken = np.ones_like(mask) if seam else mask
            restored[frames] = np.where(taken[..., None] != 0, filled, clip.observed[frames])
        return restored

    def _carrying_guides(self) -> AutomaticGuides:
        if isinstance(self._guide_builder, AutomaticGuides):
            return self._guide_builder
        raise ValueError(
            "guide_builder: a recording needs AutomaticGuides, which carry the last clear frame "
            f"over, got {type(self._guide_builder).__name__}"
        )

    def _check_visible(self, clip: Clip, guides: Guides) -> None:
        """Require that something is known of every frame: a visible pixel or a guide."""
        # The present frame's guide is valid even if all of it is hidden.
        telling = [kind != "present" or kind in self.own_guides for kind in self.kinds]
        for t in np.flatnonzero(clip.mask.all(axis=(1, 2))):
            if not guides.valid[t, telling].any():
                raise nothing_known(int(clip.frame_index[t]))


def check_guide_kind(kind: str, kinds: Sequence[str]) -> None:
    """Require that a model has the guide that a user's picture is for.

    Raises:
        ValueError: naming the guides that it has.
    """
    if kind not in kinds:
        raise ValueError(
            f"guides.{kind}: the model was trained with the guides {list(kinds)} and has no "
            f"{kind!r} one; leave guides.{kind} out or load another model"
        )


def nothing_known(frame: int) -> ValueError:
    """Return the error of a frame of which neither a pixel nor a guide is known."""
    return ValueError(
        f"mask: frame {frame} is hidden entirely, and there is neither a clear frame before it nor "
        "another guide; start the recording where the face is clear, hide less (is the mask "
        "inverted? non-zero hides), or give a picture with guides.past=IMAGE"
    )
