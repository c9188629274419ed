"""``python -m diffmvr.train experiment=dual_motion``: train, save, score, and show.

A run's folder then holds ``model/`` (a folder for ``DiffMVRPipeline.from_pretrained``),
``table.md`` and ``scores.parquet``, ``restored.mp4`` and ``restored.png`` (original and restored
side by side), ``checkpoints/``, ``samples/``, and the W&B and CSV logs.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import lightning as L
import polars as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.baselines import get_restorer
from diffmvr.cli import run_cli
from diffmvr.config import config_dir, register_resolvers
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.splits import first_clips
from diffmvr.pipelines.benchmark import (
    AutoencoderCeiling,
    benchmark_table,
    save_table,
    score_restorers,
)
from diffmvr.pipelines.clip_video import side_by_side, write_clip
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.restorer import DiffMVRRestorer
from diffmvr.reporting import print_table, save_png, save_rows
from diffmvr.training.checkpoints import check_checkpoint, find_checkpoint, save_model
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.sampling_callback import comparison_grid
from diffmvr.training.wandb_logger import finish_wandb

log = logging.getLogger(__name__)

register_resolvers()


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind.

    Attributes:
        output: the run's folder.
        model: folder of the trained model.
        scores: mean ``psnr_hole`` of every restorer on the test split; empty if not scored.
    """

    output: Path
    model: Path
    scores: dict[str, float]


def train(cfg: DictConfig) -> TrainResult:
    """Train one experiment.

    Args:
        cfg: the composed ``conf/train.yaml``.

    Raises:
        ValueError: if settings contradict each other.
        FileNotFoundError: if the base or the checkpoint is missing.
    """
    torch.set_num_threads(cfg.threads)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    loggers = [instantiate(entry, _convert_="all") for entry in cfg.logger.values()]
    try:
        return _train(cfg, loggers)
    finally:
        # Else the next job of a sweep would write into this job's run.
        finish_wandb(loggers)


def _train(cfg: DictConfig, loggers: list[Any]) -> TrainResult:
    output = Path(cfg.paths.output)

    # 1. Build.
    datamodule: ClipDataModule = instantiate(cfg.data, _convert_="all")
    if cfg.evaluation.restorers is not None and not datamodule.indices["test"]:
        raise ValueError(
            f"data.fractions: nobody is left to score with {list(cfg.data.fractions)}; give the "
            "test split a share, or set evaluation.restorers=null"
        )
    module: DiffMVRModule = instantiate(cfg.model, _convert_="all")
    callbacks = [instantiate(entry) for entry in cfg.callbacks.values()]
    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    for logger in loggers:
        logger.log_hyperparams(settings)
    trainer: L.Trainer = instantiate(cfg.trainer, callbacks=callbacks, logger=loggers)

    # 2. Train.
    start = time.monotonic()
    checkpoint = find_checkpoint(cfg.ckpt_path, output / "checkpoints")
    if checkpoint is not None:
        check_checkpoint(checkpoint, module)
    trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    minutes = (time.monotonic() - start) / 60
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        return TrainResult(output, output / "model", {})

    # 3. Save.
    facts = {
        "experiment": cfg.name,
        "seed": cfg.seed,
        "steps": trainer.global_step,
        "frames per step": cfg.data.batch_frames * trainer.world_size,
        "minutes": f"{minutes:.1f}",
        "data": f"{cfg.data.source.subjects} rendered people, seed {cfg.data.source.seed}"
        if "subjects" in cfg.data.source
        else cfg.data.source.get("root"),
    }
    save_model(module.components, output / "model", facts)

    # 4. Score and show.
    scores = {}
    if cfg.evaluation.restorers is not None:
        device = trainer.strategy.root_device
        scores = _score(cfg, module, datamodule, output, loggers, device)
    log.info("the run is in %s", output)
    return TrainResult(output, output / "model", scores)


def _score(
    cfg: DictConfig,
    module: DiffMVRModule,
    datamodule: ClipDataModule,
    output: Path,
    loggers: list[Any],
    device: torch.device,
) -> dict[str, float]:
    """Score the test split, print the table, and write table, rows and pictures."""
    module.eval()
    # Lightning has moved the trained parts off the accelerator, and not the frozen ones.
    pipeline = DiffMVRPipeline.from_components(module.components).to(device)
    ours = DiffMVRRestorer(
        pipeline,
        datamodule.guide_builder,
        num_inference_steps=cfg.evaluation.num_inference_steps,
        seed=cfg.seed,
        name=cfg.name,
    )
    restorers = [ours, *map(get_restorer, cfg.evaluation.restorers), AutoencoderCeiling(pipeline)]
    indices = first_clips(
        datamodule.indices["test"], datamodule.source.subject_ids, cfg.evaluation.clips_per_subject
    )[: cfg.evaluation.limit]
    clips = (datamodule.source[index] for index in indices)
    rows = score_restorers(restorers, clips, cfg.seed, cfg.mask.type, total=len(indices))
    table = benchmark_table(rows, reference=cfg.name)
    save_rows(rows, output / "scores")
    save_table(table, output)
    print_table(table)

    clip = datamodule.source[indices[0]]
    restored = ours.restore(clip)
    save_png(comparison_grid(clip, restored, datamodule.guide_builder), output / "restored.png")
    write_clip(side_by_side([clip.observed, restored]), output / "restored.mp4")
    means = dict(rows.group_by("restorer").agg(pl.col("psnr_hole").mean()).iter_rows())
    for logger in loggers:
        logger.log_metrics({f"test/psnr_hole/{name}": value for name, value in means.items()})
        logger.save()
    return means


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
@run_cli
def main(cfg: DictConfig) -> None:
    """Run ``train`` with the composed configuration."""
    train(cfg)


if __name__ == "__main__":
    main()
