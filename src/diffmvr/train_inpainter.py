"""``python -m diffmvr.train_inpainter inpainter=fourier|temporal``: train a learned rival.

It sees the clips, the people and the frames a step that DiffMVR sees, and none of its guides.  A
run's folder then holds ``model/`` (for ``baselines.NAME.weights=…`` of ``diffmvr.evaluate``),
``table.md`` and ``scores.parquet``, ``checkpoints/``, the logs and, written last, ``run.json``.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import polars as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.baselines.learned import LearnedInpainter
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.evaluation.after_training import ScoringPlan
from diffmvr.evaluation.benchmark import Scoring, benchmark_table, save_table, score_restorers
from diffmvr.files import replace_folder
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.reporting import print_table, save_rows
from diffmvr.run_record import save_run_record, trained_record
from diffmvr.runs.facts import command, run_record
from diffmvr.runs.ledger import Job, open_job
from diffmvr.runs.process_jobs import run_job
from diffmvr.sweep_names import job_name
from diffmvr.text import without_places
from diffmvr.training.checkpoints import check_checkpoint, find_checkpoint
from diffmvr.training.draws import augmentation_fact
from diffmvr.training.inpainter_module import InpainterModule
from diffmvr.training.model_card import write_model_card
from diffmvr.training.trainer import build_trainer, check_whole, frames_per_step

register_resolvers()

KIND = "train_inpainter"
SCORING = Scoring({"clip": score_clip})
CARD_SCORES = ("psnr_hole", "ssim_hole", "psnr", "ssim", "tc_diff", "warp_error_hole")


def train_inpainter(cfg: DictConfig) -> Path:
    """Train one rival, score it on the test people, and write it with its model card.

    Args:
        cfg: the composed ``conf/train_inpainter.yaml``.

    Returns:
        The folder of the trained network.

    Raises:
        ValueError: if settings contradict each other, or the ledger has the folder under others.
        FileNotFoundError: if the checkpoint is missing.
    """
    check_whole(cfg.trainer)
    torch.set_num_threads(cfg.threads)
    output = Path(cfg.paths.output)
    job = open_job(cfg, output, {}, cfg.ledger)
    if not job.skipped:
        with job.claimed():
            L.seed_everything(cfg.seed, workers=True, verbose=False)
            _train(cfg, job)
    return output / "model"


def _train(cfg: DictConfig, job: Job) -> None:
    begun = time.monotonic()

    # 1. Build.
    datamodule: ClipDataModule = instantiate(cfg.data, _convert_="all")
    plan = ScoringPlan.of(cfg.evaluation, job_name(cfg), datamodule)
    if plan is not None:
        plan.rehearse(SCORING)
    module: InpainterModule = instantiate(cfg.module, _convert_="all")
    loggers = [instantiate(entry, _convert_="all") for entry in cfg.logger.values()]
    checkpoints = job.output / "checkpoints"
    trainer = build_trainer(cfg.trainer, cfg.callbacks, loggers, checkpoints, cfg.seed)
    settings = without_places(OmegaConf.to_container(cfg, resolve=True))
    for logger in loggers:
        logger.log_hyperparams(settings)
    checkpoint = find_checkpoint(job.checkpoint, checkpoints)
    if checkpoint is not None:
        check_checkpoint(checkpoint, module)

    # 2. Train.
    datamodule.setup("fit")
    start = time.monotonic()
    trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    seconds = time.monotonic() - start
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        return

    # 3. Save in half precision.
    network: Any = module.network
    frames = frames_per_step(trainer, cfg.data.batch_frames)
    model = job.output / "model"
    facts = {
        "command": command(KIND),
        "seed": cfg.seed,
        "data": f"{cfg.data.source.subjects} rendered people, seed {cfg.data.source.seed}, of whom "
        f"{cfg.data.fractions[0]:g} to train"
        if "subjects" in cfg.data.source
        else cfg.data.source.get("root"),
        "steps": f"{trainer.global_step} of {frames} frames in windows of {cfg.data.window}, "
        f"{trainer.global_step * frames} frames in all",
        "training time": f"{seconds:.0f} s, {cfg.threads} threads"
        + (" since it was resumed" if checkpoint else ""),
        **augmentation_fact(cfg),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "loss": "mean absolute error; no discriminator and no perceptual loss",
        "scored on": "the test people, weights as stored (float16)",
    }
    with replace_folder(model, "model") as new:
        network.half().save_pretrained(new)
        write_model_card(new, cfg.title, facts, {})
    record = run_record(
        cfg,
        KIND,
        job.config_hash,
        time.monotonic() - begun,
        weights=model,
        steps=trainer.global_step,
        resumed=checkpoint is not None,
        device=trainer.strategy.root_device,
    )

    # 4. Load back and score.
    if plan is not None:
        goes_on = (
            f"restorers=[{cfg.name},telea] reference=telea baselines.{cfg.name}.weights={model}"
        )
        with trained_record(record, job.output, goes_on):
            scores = _score(cfg, LearnedInpainter(job_name(cfg), model, command(KIND)), plan)
            write_model_card(model, cfg.title, facts, scores)

    # 5. Say that it is finished, and how it was made.
    save_run_record(replace(record, seconds=round(time.monotonic() - begun, 1)), job.output)


def _score(cfg: DictConfig, rival: LearnedInpainter, plan: ScoringPlan) -> dict[str, float]:
    """Score the test split beside the floor, write table and rows; return the rival's means."""
    rows = score_restorers(
        [rival, *plan.restorers],
        plan.clips(),
        cfg.seed,
        cfg.mask.type,
        len(plan.indices),
        list(SCORING.scorers.values()),
    )
    table = benchmark_table(rows, reference=rival.name)
    save_rows(rows, Path(cfg.paths.output) / "scores")
    save_table(table, Path(cfg.paths.output))
    print_table(table)
    own = rows.filter(pl.col("restorer") == rival.name)
    return {f"{name} ({len(plan.indices)} clips)": own[name].mean() for name in CARD_SCORES}  # type: ignore[misc]


@entry_point(KIND)
def main(cfg: DictConfig) -> None:
    """Run ``train_inpainter`` with the composed configuration, or by a command of its own."""
    run_job(KIND, train_inpainter, cfg)


if __name__ == "__main__":
    main()
