"""The model on crops of consecutive frames, with the guides that it finds or is given.

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
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.reference import occluded_share
from diffmvr.structures import Clip, Guides, UInt8Array, to_pixel_values, to_uint8


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

    Args:
        pipeline: the model.
        own_guides: pictures that replace the guides of the same kind found in the recording.
        clear_threshold: largest occluded share of the face box of a past clear frame.
        align_past: how the past frame is carried; see ``AutomaticGuides``.
        num_inference_steps: denoising steps.
        guide_scales: α of each guide, or ``None`` for the model's own.
        seed: noise seed.

    Raises:
        ValueError: if an argument does not fit the model or is out of range.
    """

    def __init__(
        self,
        pipeline: FramePipeline,
        own_guides: Mapping[str, OwnGuide] | None = None,
        clear_threshold: float = 0.005,
        align_past: str = "layers",
        num_inference_steps: int = 1,
        guide_scales: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        self.kinds = tuple(pipeline.guide_kinds)
        self.own_guides = dict(own_guides or {})
        for kind in self.own_guides:
            if kind not in self.kinds:
                raise ValueError(
                    f"guides.{kind}: the model was trained with the guides {list(self.kinds)} and "
                    f"has no {kind!r} one; leave guides.{kind} out or load another model"
                )
        if guide_scales is not None:
            check_guide_scales(guide_scales, self.kinds)
        check_number("steps", num_inference_steps, 1, 1000)
        check_number("seed", seed, 0, 2**63 - 1)
        self._pipeline = pipeline
        self._clear_threshold = clear_threshold
        self._guide_builder = AutomaticGuides(self.kinds, clear_threshold, align_past)
        self._steps = num_inference_steps
        self._guide_scales = guide_scales
        self._seed = seed

    @property
    def led_by_past(self) -> bool:
        """Whether its past guide is a frame of the recording, no picture of the user's own."""
        return "past" in self.kinds and "past" not in self.own_guides

    def is_clear(self, clip: Clip) -> NDArray[np.bool_]:
        """Return ``[T]``, whether a frame's face is clear enough to lead later ones."""
        return occluded_share(clip.mask, clip.track.face_box) <= self._clear_threshold

    def find_guides(self, clip: Clip) -> tuple[Guides, Clip | None]:
        """Find the guides of a window, and put the user's own pictures in their place.

        Returns:
            Them, and the last clear frame, to be carried over to the next window.
        """
        guides, last_clear = self._guide_builder.with_last_clear_frame(clip)
        size = clip.observed.shape[1]
        for kind, own in self.own_guides.items():
            g = self.kinds.index(kind)
            guides.valid[:, g] = True
            for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
                guides.images[t, g] = own.in_crop(clip.track.similarity[t], size)
        return guides, last_clear

    def restore(
        self, clip: Clip, guides: Guides, memory: GuideMemory, seam: bool = False
    ) -> UInt8Array:
        """Fill the holes of crops; frames without one do not go through the model.

        Args:
            clip: crops of consecutive frames.
            guides: theirs.
            memory: encodings of guides that came before.
            seam: whether the visible parts are the model's, too, so that a seam can be measured.

        Returns:
            ``[T, p, p, 3]`` uint8.

        Raises:
            ValueError: if a frame is hidden entirely and no guide knows anything of it, or the
                model's output is no number.
        """
        restored = clip.observed.copy()
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        self._check_visible(clip, guides, hidden)
        if len(hidden):
            output = self._pipeline(
                to_pixel_values(clip.observed[hidden]),
                torch.from_numpy(clip.mask[hidden, None]).float(),
                to_pixel_values(guides.images[hidden]),
                torch.from_numpy(guides.valid[hidden]),
                num_inference_steps=self._steps,
                guide_scales=self._guide_scales,
                generator=torch.Generator().manual_seed(self._seed),
                composite=not seam,
                guide_memory=memory,
            )
            frames = clip.frame_index[hidden].tolist()
            restored[hidden] = to_uint8(output.pixel_values, frames, "restore")
        return restored

    def _check_visible(self, clip: Clip, guides: Guides, hidden: NDArray[np.int64]) -> None:
        """Require that something is known of every frame: a visible pixel or a guide."""
        # The present frame's guide is valid even if all of it is hidden.
        telling = [kind != "present" or kind in self.own_guides for kind in self.kinds]
        for t in hidden:
            if clip.mask[t].all() and not guides.valid[t, telling].any():
                raise nothing_known(int(clip.frame_index[t]))


def nothing_known(frame: int) -> ValueError:
    """Return the error of a frame of which neither a pixel nor a guide is known."""
    return ValueError(
        f"mask: frame {frame} is hidden entirely, and there is neither a clear frame before it nor "
        "another guide; start the recording where the face is clear, hide less (is the mask "
        "inverted? non-zero hides), or give a picture with guides.past=IMAGE"
    )
