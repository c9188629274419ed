"""What the model does while it trains: validation clips restored, scored, and one shown."""

import math
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

from diffmvr.checks import check_count
from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.data.splits import spread_clips
from diffmvr.metrics.hole_scores import HoleScores
from diffmvr.models.guide_memory import GuideMemory
from diffmvr.models.sampler import choose_sampler
from diffmvr.pipelines.clip_video import side_by_side, write_clip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.reporting.figures import image_grid, save_png
from diffmvr.structures import Clip, GuideBuilder, UInt8Array, to_pixel_values
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.run_logger import own_loggers

UPSCALE = 2
SHOWN_FRAMES = 8


class LogRestoredClip(L.Callback):
    """Restores validation clips at every validation, logs their scores and shows the first one.

    ``val/psnr_hole``, ``val/ssim_hole`` and, of clips with several frames, ``val/tc_hole…`` compare
    what is restored with the truth inside the holes; the value is one on all processes, and may be
    monitored.  Rows of the grid: occluded | guides | restored | truth.

    Args:
        folder: where the pictures go.
        num_inference_steps: denoising steps.
        fps: frame rate of the clip.
        clips: how many are restored and scored, of as many subjects as possible.
        sampler: see ``choose_sampler``.

    Raises:
        ValueError: if ``clips`` is no whole number of at least 1.
    """

    def __init__(
        self,
        folder: str | Path,
        num_inference_steps: int = 1,
        fps: int = 8,
        clips: int = 4,
        sampler: str | None = None,
    ) -> None:
        check_count("callbacks.samples.clips", clips)
        self._folder = Path(folder)
        self._steps = num_inference_steps
        self._sampler = sampler
        self._fps = fps
        self._count = clips
        self._clips: ClipDataset | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget the clips of an earlier run."""
        self._clips = None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore this process's clips and log; the module still holds its average.

        Later, at ``on_validation_end``, Lightning logs no more.
        """
        if trainer.sanity_checking:
            return
        if not isinstance(pl_module, DiffMVRModule):
            raise TypeError(f"expected a DiffMVRModule, got {type(pl_module).__name__}")
        pl_module.eval()
        components = pl_module.whole_components()
        # Where the weights are shared out, the first process alone has them.
        sharers = 1 if pl_module.is_shared_out else trainer.world_size
        scores = HoleScores()
        if trainer.global_rank < sharers:
            pipeline = DiffMVRPipeline.from_components(components).to(pl_module.device)
            pipeline.scheduler = choose_sampler(pipeline.scheduler, self._sampler)
            guide_builder = trainer.datamodule.guide_builder  # type: ignore[attr-defined]
            restorer = CropRestorer(pipeline, guide_builder, num_inference_steps=self._steps)
            clips = self._validation_clips(trainer)
            for number in range(trainer.global_rank, len(clips), sharers):
                clip, guides = clips[number]
                restored = restorer.fill(clip, guides, GuideMemory())
                _score(scores, restored, clip)
                if number == 0:
                    self._show(trainer, clip, restored, guide_builder)
        if trainer.world_size > 1:
            # A collective of NCCL is of tensors on the GPU.
            scores.to(pl_module.device)
        named = {f"val/{name}": value.item() for name, value in scores.compute().items()}
        # What no clip has (TC of single frames) is no number.
        known = {name: value for name, value in named.items() if not math.isnan(value)}
        # The same in every process; said so that Lightning does not warn of the opposite.
        pl_module.log_dict(known, sync_dist=True)

    def _validation_clips(self, trainer: L.Trainer) -> ClipDataset:
        """Return whole clips with their guides, read once."""
        if self._clips is None:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            indices = data.indices["val"]
            chosen = spread_clips([data.source.subject_ids[i] for i in indices], self._count)
            picks = [indices[i] for i in chosen]
            self._clips = ClipDataset(data.source, picks, data.guide_builder)
        return self._clips

    def _show(
        self, trainer: L.Trainer, clip: Clip, restored: UInt8Array, guide_builder: GuideBuilder
    ) -> None:
        """Write a grid and a video, and hand them to the loggers."""
        step = trainer.global_step
        stem = self._folder / f"step{step:06d}"
        grid = comparison_grid(clip, restored, guide_builder)
        picture = save_png(grid, stem.with_suffix(".png"))
        frames = side_by_side([clip.observed, restored], upscale=4)
        video = write_clip(frames, stem.with_suffix(".mp4"), self._fps)
        for logger in own_loggers(trainer.loggers):
            logger.show_picture("val/grid", picture, step)
            logger.show_clip("val/clip", video, frames, self._fps, step)


def _score(scores: HoleScores, restored: UInt8Array, clip: Clip) -> None:
    """Add a restored clip, if its truth is known and anything of it was hidden."""
    if clip.frames is None or not clip.mask.any():
        return
    mask = torch.from_numpy(clip.mask)[None, :, None].float()
    scores.update(to_pixel_values(restored)[None], to_pixel_values(clip.frames)[None], mask)


def comparison_grid(clip: Clip, restored: UInt8Array, guide_builder: GuideBuilder) -> UInt8Array:
    """Return a labelled grid of up to ``SHOWN_FRAMES`` frames that have a hole."""
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    chosen = hidden if len(hidden) else np.arange(len(clip))
    picks = chosen[np.linspace(0, len(chosen) - 1, min(SHOWN_FRAMES, len(chosen))).astype(int)]
    guides = guide_builder(clip)
    rows = [("occluded", clip.observed[picks])]
    rows += [(kind, guides.images[picks, g]) for g, kind in enumerate(guide_builder.kinds)]
    rows.append(("restored", restored[picks]))
    if clip.frames is not None:
        rows.append(("truth", clip.frames[picks]))
    return image_grid(rows, upscale=UPSCALE, column_labels=[str(i) for i in picks])
