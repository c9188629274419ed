"""One training run, whatever is trained: from its folder and its seed to ``run.json``."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.reporting.rows import load_rows, mean_scores
from diffmvr.reporting.run_collection import SCORES_FILE
from diffmvr.reporting.wandb_source import RUN_FILES
from diffmvr.run_record import save_run_record, trained_record
from diffmvr.runs.code_state import code_state
from diffmvr.runs.facts import run_record
from diffmvr.runs.ledger import Job, open_job
from diffmvr.text import without_places
from diffmvr.training.callbacks import ValidationScores
from diffmvr.training.checkpoints import check_checkpoint, find_checkpoint
from diffmvr.training.run_logger import begin_logging, own_loggers
from diffmvr.training.trainer import build_trainer, check_whole
from diffmvr.training.wandb_logger import finish_wandb


@dataclass(frozen=True)
class Fitted:
    """What a training was.

    Attributes:
        trainer: that has trained.
        seconds: how long it took, without what a run before it had done.
        resumed: whether it went on from a checkpoint.
    """

    trainer: L.Trainer
    seconds: float
    resumed: bool

    @property
    def minutes(self) -> str:
        """How long it took, for a model card."""
        return f"{self.seconds / 60:.1f}"


@dataclass(frozen=True)
class Training:
    """What is trained, and what becomes of it.

    Attributes:
        module: is trained.
        save: writes ``model``; in the first process alone, as ``score``.
        model: folder of what was trained.
        data: what the module learns from; ``None``: it has loaders of its own.
        base: folder of the model that training begins with.
        score: scores what was saved, and returns what the loggers are to keep, by name.
        goes_on: the settings by which ``diffmvr.evaluate`` scores what ``score`` has failed to.
    """

    module: L.LightningModule
    save: Callable[[Fitted], None]
    model: Path
    data: Any = None
    base: Path | None = None
    score: Callable[[Fitted], Mapping[str, float]] | None = None
    goes_on: str = ""


def fit(
    cfg: DictConfig,
    kind: str,
    prepare: Callable[[L.Trainer], Training | None],
    inputs: Callable[[], Mapping[str, str]] = dict,
    shares_out: bool = False,
) -> Mapping[str, float]:
    """Train what an entry point trains.

    A run keeps its settings (``job.json``), its logs, checkpoints that are verified and from which
    it goes on exactly, and writes ``run.json`` last.

    Args:
        cfg: the composed configuration, with ``paths.output``, ``trainer``, ``callbacks``,
            ``logger``, ``seed``, ``threads``, ``ckpt_path``, ``ledger`` and ``name``.
        kind: the entry point, e.g. ``"train"``.
        prepare: builds what is trained, with seeded generators and the run's trainer; ``None`` if
            there is nothing to train.
        inputs: returns the hashes of files that the result depends on, by name.
        shares_out: whether processes may share the weights out (``trainer=fsdp``).

    Returns:
        What ``score`` has returned; empty in other processes than the first, if nothing is scored
        and if the ledger has the run as finished.

    Raises:
        ValueError: if settings contradict each other, or the folder holds a run with others.
        FileNotFoundError: if the checkpoint is missing.
        KeyboardInterrupt: if training was interrupted.
    """
    if not shares_out:
        check_whole(cfg.trainer)
    torch.set_num_threads(cfg.threads)
    job = open_job(cfg, Path(cfg.paths.output), inputs(), cfg.ledger)
    if job.skipped:
        return {}
    with job.claimed():
        L.seed_everything(cfg.seed, workers=True, verbose=False)
        loggers = [instantiate(entry, _convert_="all") for entry in cfg.logger.values()]
        try:
            return _fit(cfg, kind, job, prepare, loggers)
        finally:
            # Else the next job of a sweep would write into this job's run.
            finish_wandb(loggers)


def _fit(
    cfg: DictConfig,
    kind: str,
    job: Job,
    prepare: Callable[[L.Trainer], Training | None],
    loggers: list[Any],
) -> Mapping[str, float]:
    begun = time.monotonic()

    # 1. Build.  The trainer first: what it is to run on may be absent.
    checkpoints = job.output / "checkpoints"
    trainer = build_trainer(cfg.trainer, cfg.callbacks, loggers, checkpoints, cfg.seed)
    training = prepare(trainer)
    if training is None:
        return {}
    checkpoint = find_checkpoint(job.checkpoint, checkpoints)
    resumed_at = None
    if checkpoint is not None:
        step = check_checkpoint(checkpoint, training.module)
        # Another run's checkpoint begins a run of its own.
        resumed_at = step if Path(checkpoint).resolve().parent == checkpoints.resolve() else None
    settings = without_places(OmegaConf.to_container(cfg, resolve=True))
    if trainer.is_global_zero:
        begin_logging(loggers, {**settings, "code": code_state()}, resumed_at)

    # 2. Train.
    start = time.monotonic()
    trainer.fit(training.module, training.data, ckpt_path=checkpoint, weights_only=True)
    fitted = Fitted(trainer, time.monotonic() - start, checkpoint is not None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        return {}

    # 3. Save.
    training.save(fitted)
    record = run_record(
        cfg,
        kind,
        job.config_hash,
        time.monotonic() - begun,
        weights=training.model,
        base=training.base,
        steps=trainer.global_step,
        resumed=fitted.resumed,
        validation=_last_validation(trainer),
        device=trainer.strategy.root_device,
    )

    # 4. Score and show.
    scores: Mapping[str, float] = {}
    if training.score is not None:
        with trained_record(record, job.output, training.goes_on):
            scores = training.score(fitted)
        for logger in loggers:
            logger.log_metrics(dict(scores), step=trainer.global_step)
        rows = job.output / SCORES_FILE
        for logger in own_loggers(loggers) if rows.is_file() else ():
            logger.show_table("test/scores", mean_scores(load_rows(rows)), trainer.global_step)
        for logger in loggers:
            logger.save()

    # 5. Say that it is finished, and how it was made.
    save_run_record(replace(record, seconds=round(time.monotonic() - begun, 1)), job.output)
    for logger in own_loggers(loggers):
        logger.keep_files([job.output / name for name in RUN_FILES])
    return scores


def _last_validation(trainer: L.Trainer) -> dict[str, float]:
    kept = (one.scores for one in trainer.callbacks if isinstance(one, ValidationScores))  # type: ignore[attr-defined]
    return next(kept, {})
