"""``python -m diffmvr.train experiment=dual_motion``: train, save, score, and show.

A run's folder then holds ``model/`` (a folder for ``DiffMVRPipeline.from_pretrained``),
``table.md`` and ``scores.parquet``, ``restored.mp4`` and ``restored.png`` (original and restored
side by side), ``checkpoints/``, ``samples/``, the W&B and CSV logs and, written last, ``run.json``.
If scoring fails, ``trained.json`` says in its place what was trained, and ``python -m
diffmvr.evaluate weights=RUN`` goes on from there.
With ``ledger=true`` a job of a sweep that has finished is skipped, and one that was killed goes on.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lightning as L
import polars as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.evaluation.after_training import ScoringPlan
from diffmvr.evaluation.benchmark import AutoencoderCeiling, Scoring, run_benchmark
from diffmvr.models.base_checkpoint import resolve_base
from diffmvr.models.sampler import choose_sampler
from diffmvr.parsing import user_path
from diffmvr.pipelines.clip_video import side_by_side, write_clip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.reporting import print_table, save_png
from diffmvr.runs.hashes import input_hashes
from diffmvr.runs.process_jobs import run_job
from diffmvr.sweep_names import job_name
from diffmvr.training.cache_contents import check_contents, describe_contents
from diffmvr.training.cached_data import CachedDataModule
from diffmvr.training.checkpoints import save_model
from diffmvr.training.draws import augmentation_fact
from diffmvr.training.encoding_cache import EncodingCache
from diffmvr.training.fitting import Fitted, Training, fit
from diffmvr.training.learning_rate import find_learning_rate
from diffmvr.training.memory_check import say_what_fits
from diffmvr.training.module import NO_PICTURES, DiffMVRModule
from diffmvr.training.overfit import OneClipDataModule
from diffmvr.training.plan import training_plan
from diffmvr.training.sampling_callback import comparison_grid
from diffmvr.training.trainer import frames_per_step

register_resolvers()

KIND = "train"
# What the loggers call a restorer's score.
SCORE = "test/psnr_hole/"


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind.

    Attributes:
        output: the run's folder.
        model: folder of the trained model (``debug=find_lr`` trains none).
        scores: mean ``psnr_hole`` of every restorer on the test split; empty if not scored, or if
            the ledger had the run as finished.
    """

    output: Path
    model: Path
    scores: dict[str, float]


def train(cfg: DictConfig) -> TrainResult:
    """Train one experiment.

    Args:
        cfg: the composed ``conf/train.yaml``.

    Raises:
        ValueError: if settings contradict each other, or the ledger has the folder under others.
        FileNotFoundError: if the base or the checkpoint is missing.
    """
    if cfg.encodings is not None and cfg.augmentation is not None:
        raise ValueError(NO_PICTURES)
    scores = fit(
        cfg,
        KIND,
        partial(_prepare, cfg),
        lambda: input_hashes(cfg.model.components),
        shares_out=True,
    )
    means = {name.removeprefix(SCORE): value for name, value in scores.items()}
    output = Path(cfg.paths.output)
    return TrainResult(output, output / "model", means)


def _base(cfg: DictConfig) -> Path | None:
    """Return what training begins with."""
    base = OmegaConf.select(cfg, "model.components.base")
    return resolve_base(base) if base is not None else None


def _prepare(cfg: DictConfig, trainer: L.Trainer) -> Training | None:
    output = Path(cfg.paths.output)
    datamodule: ClipDataModule = instantiate(cfg.data, _convert_="all")
    # What follows the training is tried before it: a network to score with may be absent.
    plan = ScoringPlan.of(cfg.evaluation, job_name(cfg), datamodule)
    scoring: Scoring = instantiate(cfg.scoring, _convert_="all")
    if plan is not None:
        plan.rehearse(scoring)
    module: DiffMVRModule = instantiate(cfg.model, _convert_="all")
    side = cfg.data.source.get("size")
    if side is not None:
        module.components.check_side(side)
    training_data = _training_data(cfg, datamodule, module)
    if "find_lr" in cfg:
        plain = instantiate(
            cfg.trainer,
            callbacks=[],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
        find_learning_rate(plain, module, training_data, output, **cfg.find_lr)
        return None
    frames, encoded = cfg.data.batch_frames, cfg.encodings is not None
    say_what_fits(module, trainer, frames, max(frames // cfg.data.window, 1), side, encoded)

    def save(fitted: Fitted) -> None:
        facts = {
            "experiment": job_name(cfg),
            "seed": cfg.seed,
            "steps": trainer.global_step,
            "frames per step": frames_per_step(trainer, frames),
            "minutes": fitted.minutes,
            "data": datamodule.source.description,
            **augmentation_fact(cfg),
        }
        save_model(module.components, output / "model", facts)

    return Training(
        module,
        save,
        output / "model",
        training_data,
        base=_base(cfg),
        score=None if plan is None else partial(_score, cfg, module, datamodule, plan, scoring),
        goes_on=f"weights={output}",
    )


def _training_data(
    cfg: DictConfig, datamodule: ClipDataModule, module: DiffMVRModule
) -> L.LightningDataModule:
    """Return the clips, one of them, or the cache of what the frozen parts made of them."""
    if cfg.get("overfit"):
        return OneClipDataModule(datamodule)
    if cfg.encodings is None:
        return datamodule
    encodings = EncodingCache(user_path(cfg.encodings))
    check_contents(encodings.made, describe_contents(cfg, module.components))
    return CachedDataModule(datamodule, encodings, module.guide)


def _score(
    cfg: DictConfig,
    module: DiffMVRModule,
    datamodule: ClipDataModule,
    plan: ScoringPlan,
    scoring: Scoring,
    fitted: Fitted,
) -> dict[str, float]:
    """Score the test split, print the table, and write table, rows and pictures."""
    output = Path(cfg.paths.output)
    module.eval()
    # Lightning has moved the trained parts off the accelerator, and not the frozen ones.
    device = fitted.trainer.strategy.root_device
    pipeline = DiffMVRPipeline.from_components(module.components).to(device)
    pipeline.scheduler = choose_sampler(pipeline.scheduler, cfg.evaluation.sampler)
    ours = CropRestorer(
        pipeline,
        datamodule.guide_builder,
        num_inference_steps=cfg.evaluation.num_inference_steps,
        seed=cfg.seed,
        name=job_name(cfg),
    )
    restorers = [ours, *plan.restorers, AutoencoderCeiling(pipeline)]
    rows, table = run_benchmark(
        restorers,
        plan.clips(),
        scoring,
        output,
        reference=job_name(cfg),
        seed=cfg.seed,
        mask_type=cfg.mask.type,
        total=len(plan.indices),
    )
    print_table(table)

    clip = next(plan.clips())
    restored = ours.restore(clip)
    save_png(comparison_grid(clip, restored, datamodule.guide_builder), output / "restored.png")
    write_clip(side_by_side([clip.observed, restored], upscale=4), output / "restored.mp4")
    means = rows.group_by("restorer").agg(pl.col("psnr_hole").mean()).iter_rows()
    return {f"{SCORE}{name}": value for name, value in means}


@entry_point(KIND, plan=training_plan)
def main(cfg: DictConfig) -> float | None:
    """Run ``train`` with the composed configuration, or by a command of its own."""
    return run_job(KIND, train, cfg)


if __name__ == "__main__":
    main()
