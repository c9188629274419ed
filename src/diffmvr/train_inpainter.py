"""``python -m diffmvr.train_inpainter inpainter=fourier|temporal``: train a learned rival.

It sees the clips, the people and the frames a step that DiffMVR sees, and none of its guides.  A
run's folder then holds ``model/`` (for ``baselines.NAME.weights=…`` of ``diffmvr.evaluate``),
``table.md`` and ``scores.parquet``, ``checkpoints/``, the logs and, written last, ``run.json``.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import polars as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.baselines.learned import LearnedInpainter
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.evaluation.after_training import ScoringPlan
from diffmvr.evaluation.benchmark import Scoring, benchmark_table, save_table, score_restorers
from diffmvr.files import replace_folder
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.reporting import print_table, save_rows
from diffmvr.runs.facts import command
from diffmvr.runs.process_jobs import run_job
from diffmvr.sweep_names import job_name
from diffmvr.training.draws import augmentation_fact
from diffmvr.training.fitting import Fitted, Training, fit
from diffmvr.training.inpainter_module import InpainterModule
from diffmvr.training.model_card import write_model_card
from diffmvr.training.trainer import frames_per_step

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
    fit(cfg, KIND, partial(_prepare, cfg))
    return Path(cfg.paths.output) / "model"


def _prepare(cfg: DictConfig, trainer: L.Trainer) -> Training:
    datamodule: ClipDataModule = instantiate(cfg.data, _convert_="all")
    plan = ScoringPlan.of(cfg.evaluation, job_name(cfg), datamodule)
    if plan is not None:
        plan.rehearse(SCORING)
    module: InpainterModule = instantiate(cfg.module, _convert_="all")
    model = Path(cfg.paths.output) / "model"

    def facts(fitted: Fitted) -> dict[str, object]:
        frames = frames_per_step(trainer, cfg.data.batch_frames)
        return {
            "command": command(KIND),
            "seed": cfg.seed,
            "data": datamodule.source.description,
            "steps": f"{trainer.global_step} of {frames} frames in windows of {cfg.data.window}, "
            f"{trainer.global_step * frames} frames in all",
            "training time": f"{fitted.seconds:.0f} s, {cfg.threads} threads"
            + (" since it was resumed" if fitted.resumed else ""),
            **augmentation_fact(cfg),
            "parameters": sum(one.numel() for one in module.network.parameters()),
            "loss": "mean absolute error; no discriminator and no perceptual loss",
            "scored on": "the test people, weights as stored (float16)",
        }

    def save(fitted: Fitted) -> None:
        network: Any = module.network
        with replace_folder(model, "model") as new:
            network.half().save_pretrained(new)
            write_model_card(new, cfg.title, facts(fitted), {})

    return Training(
        module,
        save,
        model,
        datamodule,
        score=None if plan is None else partial(_score, cfg, plan, model, facts),
        goes_on=f"restorers=[{cfg.name},telea] reference=telea "
        f"baselines.{cfg.name}.weights={model}",
    )


def _score(
    cfg: DictConfig,
    plan: ScoringPlan,
    model: Path,
    facts: Callable[[Fitted], dict[str, object]],
    fitted: Fitted,
) -> dict[str, float]:
    """Score the test split beside the floor; write table, rows and the rival's means."""
    rival = LearnedInpainter(job_name(cfg), model, command(KIND))  # as it was stored
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
    means: dict[str, Any] = {name: own[name].mean() for name in CARD_SCORES}
    counted = {f"{name} ({len(plan.indices)} clips)": value for name, value in means.items()}
    write_model_card(model, cfg.title, facts(fitted), counted)
    return {f"test/{name}/{rival.name}": value for name, value in means.items()}


@entry_point(KIND)
def main(cfg: DictConfig) -> float | None:
    """Run ``train_inpainter`` with the composed configuration, or by a command of its own."""
    return run_job(KIND, train_inpainter, cfg)


if __name__ == "__main__":
    main()
