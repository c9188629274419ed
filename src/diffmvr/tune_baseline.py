"""``python -m diffmvr.tune_baseline baseline=tuned_stabilityai base=FOLDER``: tune a rival.

The run's folder then holds ``model/``, a diffusers folder with a model card, which
``baselines.NAME.weights=RUN/model`` lets compete in ``python -m diffmvr.evaluate``.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.baselines.inpainting_checkpoints import load_inpainting_pipeline, locate_weights
from diffmvr.baselines.resizing import working_size
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.splits import split_indices, split_settings
from diffmvr.data.still_frames import StillFrames, choose_still_frames
from diffmvr.files import replace_folder
from diffmvr.models.device import choose_device
from diffmvr.runs.process_jobs import run_job
from diffmvr.training.fitting import Fitted, Training, fit
from diffmvr.training.model_card import write_model_card
from diffmvr.training.text_inpainting import Prior, TextInpaintingModule, paint_prior_images
from diffmvr.training.trainer import frames_per_step

log = logging.getLogger(__name__)

register_resolvers()

KIND = "tune_baseline"


def tune_baseline(cfg: DictConfig) -> Path:
    """Fine-tune a text-guided inpainter and write it as a diffusers folder.

    Args:
        cfg: the composed ``conf/tune_baseline.yaml``.

    Returns:
        The folder of the tuned model.

    Raises:
        WeightsNotPresentError: if the base is not there.
        ValueError: if there are too few people, settings contradict each other, or the folder holds
            a run with others.
    """
    fit(cfg, KIND, partial(_prepare, cfg))
    return Path(cfg.paths.output) / "model"


def _prepare(cfg: DictConfig, trainer: L.Trainer) -> Training:
    baseline = cfg.baseline
    base = locate_weights("base", cfg.base, baseline.base_id)
    pipeline = load_inpainting_pipeline(base, cfg.configs, baseline.base_id)
    source = instantiate(cfg.data.source)
    splits = split_indices(
        source.subject_ids, **split_settings(cfg.data), test_people=source.test_people
    )
    frames = choose_still_frames(
        source, splits["train"], baseline.subjects, baseline.frames, seed=cfg.seed
    )
    log.info("%d frames of %d people", len(frames.images), len(frames.subjects))
    module = TextInpaintingModule(
        pipeline,
        frames,
        baseline.prompt,
        instantiate(baseline.optimizer),
        batch_size=baseline.batch_size,
        resolution=cfg.resolution,
        prior=_prior(cfg, pipeline, frames),
        seed=cfg.seed,
        gradient_checkpointing=cfg.gradient_checkpointing,
    )
    model = Path(cfg.paths.output) / "model"

    def save(fitted: Fitted) -> None:
        facts = {
            "command": f"python -m diffmvr.{KIND} baseline={baseline.name}",
            "base": baseline.base_id if cfg.base is None else cfg.base,
            "data": f"{len(frames.images)} frames of {len(frames.subjects)} people, "
            f"{cfg.resolution} pixels",
            "training": f"{trainer.current_epoch} epochs, {trainer.global_step} steps of "
            f"{frames_per_step(trainer, baseline.batch_size)} frames, {fitted.minutes} min",
            "prompt": baseline.prompt,
            "prior": "none"
            if baseline.prior is None
            else f"{baseline.prior.images} images painted by the base for "
            f"{baseline.prior.prompt!r}",
            "seed": cfg.seed,
        }
        save_pipeline(pipeline, model, baseline.title, facts, baseline.licence)
        log.info("the tuned model is in %s; baselines.%s.weights names it", model, baseline.name)

    return Training(module, save, model, base=base)


def save_pipeline(
    pipeline: Any, folder: Path, title: str, facts: dict[str, object], licence: str
) -> Path:
    """Write a pipeline with its model card, in place of the one that is there."""
    pipeline.unet.eval()
    with replace_folder(folder, "model") as new:
        pipeline.save_pretrained(new)
        write_model_card(new, title, facts, {}, licence=licence)
    return folder


def _prior(cfg: DictConfig, pipeline: Any, frames: StillFrames) -> Prior | None:
    settings = cfg.baseline.prior
    if settings is None:
        return None
    _, height, width, _ = frames.images.shape
    size = working_size(height, width, cfg.resolution, pipeline.vae_scale_factor)
    log.info("the base paints %d images for %r", settings.images, settings.prompt)
    images = paint_prior_images(
        pipeline.to(choose_device("auto" if cfg.trainer.accelerator == "gpu" else "cpu")),
        settings.prompt,
        settings.images,
        size,
        seed=cfg.seed,
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    )
    return Prior(images, settings.prompt, settings.weight)


@entry_point(KIND)
def main(cfg: DictConfig) -> float | None:
    """Run ``tune_baseline`` with the composed configuration, or by a command of its own."""
    return run_job(KIND, tune_baseline, cfg)


if __name__ == "__main__":
    main()
