"""Pictures of what the model does while it trains: a grid and a restored clip."""

from pathlib import Path

import lightning as L
import numpy as np
from lightning.pytorch.loggers import WandbLogger

from diffmvr.pipelines.clip_video import side_by_side, write_clip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.reporting.figures import image_grid, save_png
from diffmvr.structures import Clip, GuideBuilder, UInt8Array
from diffmvr.training.module import DiffMVRModule

UPSCALE = 2
SHOWN_FRAMES = 8


class LogRestoredClip(L.Callback):
    """Restores one validation clip at every validation and keeps the pictures.

    Rows of the grid: occluded | guides | restored | truth.

    Args:
        folder: where the pictures go.
        num_inference_steps: denoising steps.
        fps: frame rate of the clip.
    """

    def __init__(self, folder: str | Path, num_inference_steps: int = 1, fps: int = 8) -> None:
        self._folder = Path(folder)
        self._steps = num_inference_steps
        self._fps = fps

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore and log, on the first process only."""
        if trainer.sanity_checking:
            return
        if not isinstance(pl_module, DiffMVRModule):
            raise TypeError(f"expected a DiffMVRModule, got {type(pl_module).__name__}")
        components = pl_module.whole_components()
        if not trainer.is_global_zero:
            return
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        clip: Clip = datamodule.source[datamodule.indices["val"][0]]
        pipeline = DiffMVRPipeline.from_components(components).to(pl_module.device)
        pl_module.eval()
        restorer = CropRestorer(pipeline, datamodule.guide_builder, num_inference_steps=self._steps)
        restored = restorer.restore(clip)
        stem = self._folder / f"step{trainer.global_step:06d}"
        grid = comparison_grid(clip, restored, datamodule.guide_builder)
        picture = save_png(grid, stem.with_suffix(".png"))
        video = write_clip(
            side_by_side([clip.observed, restored], upscale=4), stem.with_suffix(".mp4"), self._fps
        )
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("val/grid", [str(picture)], step=trainer.global_step)
                logger.log_video("val/clip", [str(video)], step=trainer.global_step)


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
