"""DiffMVR behind the same ``Restorer`` interface as its rivals."""

import numpy as np
import torch

from diffmvr.models.guide_memory import GuideMemory
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.structures import Clip, GuideBuilder, UInt8Array, to_pixel_values, to_uint8


class DiffMVRRestorer:
    """Restores clips at the model's own size.

    Args:
        pipeline: the model.
        guide_builder: finds the guides; its kinds must be the pipeline's.
        num_inference_steps: denoising steps.
        seed: noise seed.
        batch_size: frames per call of the pipeline.
        name: name in the tables.
    """

    def __init__(
        self,
        pipeline: DiffMVRPipeline,
        guide_builder: GuideBuilder,
        num_inference_steps: int = 1,
        seed: int = 0,
        batch_size: int = 16,
        name: str = "diffmvr",
    ) -> None:
        if tuple(guide_builder.kinds) != pipeline.guide_kinds:
            raise ValueError(
                f"guide_builder: the model was trained with guides {pipeline.guide_kinds}, "
                f"got {tuple(guide_builder.kinds)}"
            )
        pipeline.set_progress_bar_config(disable=True)
        self.name = name
        self._pipeline = pipeline
        self._guide_builder = guide_builder
        self._steps = num_inference_steps
        self._seed = seed
        self._batch_size = batch_size

    def restore(self, clip: Clip) -> UInt8Array:
        """Return ``[T, H, W, 3]``; only frames with a hole go through the model.

        Raises:
            ValueError: if the clip's size is not the model's, or its output is no number.
        """
        side = self._pipeline.resolution
        if clip.observed.shape[1:3] != (side, side):
            raise ValueError(
                f"clip {clip.clip_id}: the model restores {side} × {side} frames, got "
                f"{clip.observed.shape[1]} × {clip.observed.shape[2]}; crop and resize first"
            )
        guides = self._guide_builder(clip)
        memory = GuideMemory()
        restored = clip.observed.copy()
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        for first in range(0, len(hidden), self._batch_size):
            frames = hidden[first : first + self._batch_size]
            mask = clip.mask[frames]
            output = self._pipeline(
                to_pixel_values(clip.observed[frames]),
                torch.from_numpy(mask[:, None]).float(),
                to_pixel_values(guides.images[frames]),
                torch.from_numpy(guides.valid[frames]),
                num_inference_steps=self._steps,
                generator=torch.Generator().manual_seed(self._seed),
                guide_memory=memory,
            )
            # Copied in uint8, so that visible pixels stay the observed ones bit for bit.
            numbers = clip.frame_index[frames].tolist()
            filled = to_uint8(output.pixel_values, numbers, f"{self.name}, clip {clip.clip_id}")
            restored[frames] = np.where(mask[..., None] > 0, filled, clip.observed[frames])
        return restored
