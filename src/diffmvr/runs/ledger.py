"""The ledger of a sweep: finished jobs are skipped, killed ones go on, changed ones are an error.

Each job of a sweep has a folder of its own that does not depend on the day
(``hydra.sweep.subdir``).  A job begins by writing its settings and their hash to ``job.json`` and
ends by writing ``run.json``; in between lie its checkpoints.  What to do is read off these files
alone, so a sweep may be killed at any moment and given again.

With several processes the first one decides, before it starts the others, and tells them by an
environment variable.  They repeat the command from its beginning: they take part in the job that
they were started for and pass over any other.  (``process_jobs`` gives a job of a sweep a command
of its own.)
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from diffmvr.files import read_json, write_json
from diffmvr.run_record import RUN_FILE, TRAINED_FILE, load_run_record
from diffmvr.runs.checkpoint_io import newest_checkpoint
from diffmvr.runs.process_jobs import PARENT

log = logging.getLogger(__name__)

JOB_FILE = "job.json"
# What a job leaves that another one would overwrite.
RESULTS = (RUN_FILE, "model", "scores.parquet", "table.md")
LEADER = "DIFFMVR_JOB"
# What Lightning leaves in the environment for the processes it starts.
LAUNCH_VARIABLES = (
    *("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *(LEADER, PARENT),
)
# Settings that say where and how a job runs, not what comes out; with all that is below them.
NOT_THE_RESULT = (
    *("ckpt_path", "encodings", "ledger", "logger", "output", "paths", "plan", "threads"),
    "hparams_search",
    # Checkpoints beside the default ones, and what is only logged.
    *("callbacks.best", "callbacks.interval", "callbacks.samples.clips", "callbacks.utilization"),
    # Whether each process holds all weights or its part; how many there are does count.
    *("trainer.inference_mode", "trainer.strategy"),
    # Time for memory.
    "model.components.gradient_checkpointing",
)
# Settings that came after runs had finished, each with the value that means what was done before
# it came: with that value it is no part of the hash, and those runs stay finished.
ADDED_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "augmentation": None,
        "callbacks.samples.sampler": "${evaluation.sampler}",
        "data.test_subjects": None,
        "data.val_subjects": None,
        "evaluation.sampler": None,
        "face_at": None,
        "guide.past.carried": 6,
        "guide.past.mirrored": False,
        "guide.past.reach": "past",
        "guide.past.select": "recent",
        "guide.past.size": 16,
        "guide_builder.past": "${guide.past}",
        "loss.decoded.expression_weight": 1.0,
        "loss.denoising.expression_weight": 1.0,
        "loss.extra": {},
        "model.augmentation": "${augmentation}",
        "model.channels_last": False,
        "model.compile_backend": None,
        "model.components.guide_weights": None,
        "model.components.unet.backbone": None,
        "model.components.vae": None,
        "model.extra_losses": "${loss.extra}",
        "model.optimizer.fused": None,
        "module.augmentation": "${augmentation}",
        "module.seed": "${seed}",
        "past": None,
        "sampler": None,
        "shard": None,
        "trainer.accumulate_grad_batches": 1,
    }
)

# Classes that have moved since runs had finished, by where they are now: a class is the same
# setting wherever it lies.
MOVED_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "diffmvr.evaluation.": "diffmvr.pipelines.",
        # It only shows how far a run has come.
        "diffmvr.training.progress_callback.TrainingProgress": (
            "lightning.pytorch.callbacks.RichProgressBar"
        ),
    },
)

SHOWN_CHANGES = 5

State = Literal["new", "resumed", "finished", "another's"]


@dataclass(frozen=True)
class Job:
    """One job of a sweep, and what is to be done with it.

    Attributes:
        output: its folder.
        settings: those that the result depends on, by their full names.
        state: ``"new"``; ``"resumed"`` if it was killed; ``"finished"``, or ``"another's"`` in a
            process that was started for another job of the sweep.
        checkpoint: what to go on from.
    """

    output: Path
    settings: Mapping[str, Any]
    state: State
    checkpoint: str | None = None

    @property
    def config_hash(self) -> str:
        """SHA-256 of the settings."""
        return settings_hash(self.settings)

    @property
    def skipped(self) -> bool:
        """Whether there is nothing to do here."""
        return self.state in ("finished", "another's")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the job: note its settings, lead the processes it starts, and clean up after."""
        before = {name: os.environ.get(name) for name in LAUNCH_VARIABLES}
        if not _follows():
            if _rank() == 0:
                content = {"config_hash": self.config_hash, "settings": self.settings}
                write_json(self.output / JOB_FILE, content)
            os.environ[LEADER] = json.dumps([str(self.output.resolve()), self.checkpoint])
            os.environ[PARENT] = str(os.getpid())
            log.info("the run's folder is %s", self.output)
        try:
            yield
            self._say_where()
        except KeyboardInterrupt:
            self._say_where()
            raise
        finally:
            # Else the sweep's next job would take these for its own processes.
            if before["LOCAL_RANK"] is None and torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def _say_where(self) -> None:
        if not _follows():
            log.info("the run is in %s", self.output)


def open_job(
    cfg: DictConfig, output: Path, inputs: Mapping[str, str], use_ledger: bool = True
) -> Job:
    """Decide what to do with a job.

    Args:
        cfg: the composed configuration.
        output: the job's folder.
        inputs: hashes of files that the result depends on, by name.
        use_ledger: False starts the job anew, or from ``ckpt_path``: what the same job left in its
            folder when it had finished is replaced.

    Raises:
        ValueError: if the folder holds a job with other settings, or without the ledger one that
            was stopped and that ``ckpt_path`` does not go on with.
    """
    settings = result_settings(cfg, inputs)
    asked = cfg.get("ckpt_path")
    if not use_ledger:
        if not _follows() and not _goes_on(output, asked):
            _check_free(output, settings)
        return Job(output, settings, "new", asked)
    leader = os.environ.get(LEADER)
    if leader is not None and _follows():
        folder, checkpoint = json.loads(leader)
        if folder != str(output.resolve()):
            return Job(output, settings, "another's")
        return Job(output, settings, "resumed" if checkpoint else "new", checkpoint)

    if (output / RUN_FILE).is_file():
        _check_same(output, load_run_record(output).config_hash, settings)
        log.info("%s: finished before, skipped", output)
        return Job(output, settings, "finished")
    if (output / JOB_FILE).is_file():
        _check_same(output, read_json(output / JOB_FILE).get("config_hash"), settings)
    elif any((output / "checkpoints").glob("*.ckpt")):
        _check_same(output, None, settings)
    newest = newest_checkpoint(output / "checkpoints")
    if newest is not None:
        log.info("%s: was stopped, goes on from %s", output, newest.name)
        return Job(output, settings, "resumed", str(newest))
    return Job(output, settings, "new", asked)


def result_settings(cfg: DictConfig, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that a result depends on, by their full names.

    Interpolations stay as they are written, so that they do not depend on the folder.

    Args:
        cfg: the composed configuration.
        inputs: hashes of files, by name.
    """
    content: Any = OmegaConf.to_container(cfg, resolve=False)
    kept = {
        name: _first_place(value) if name.endswith("_target_") else value
        for name, value in _flat(content).items()
        if not f"{name}.".startswith(tuple(f"{key}." for key in NOT_THE_RESULT))
        and not (name in ADDED_SETTINGS and value == ADDED_SETTINGS[name])
    }
    hashes = {f"hash of {name}": digest for name, digest in inputs.items()}
    return {**kept, **hashes}


def _first_place(target: str) -> str:
    """Return where a class lay when runs first named it."""
    for now, then in MOVED_CLASSES.items():
        if target.startswith(now):
            return then + target.removeprefix(now)
    return target


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _follows() -> bool:
    """Return whether this process was started by another one's job."""
    return _rank() != 0 and LEADER in os.environ


def _rank() -> int:
    return int(getattr(rank_zero_only, "rank", 0))


def _goes_on(output: Path, checkpoint: str | None) -> bool:
    """Return whether a checkpoint is of the job whose folder this is."""
    if checkpoint is None:
        return False
    own = (output / "checkpoints").resolve()
    return checkpoint == "last" or Path(checkpoint).resolve().is_relative_to(own)


def _check_free(output: Path, settings: dict[str, Any]) -> None:
    """Require a folder in which nothing is lost: without results, or with this job's own.

    What a run that failed at once has noted is no result.
    """
    stopped = any((output / "checkpoints").glob("*.ckpt")) and not _finished(output)
    if not stopped and not any((output / name).exists() for name in RESULTS):
        return
    noted = output / JOB_FILE
    before = read_json(noted).get("config_hash") if noted.is_file() else None
    if before is None and (output / RUN_FILE).is_file():
        before = load_run_record(output).config_hash
    _check_same(output, before, settings)
    if stopped:
        raise ValueError(
            f"{output}: holds checkpoints of this job, which was stopped; go on with "
            "ckpt_path=last, or give another folder with hydra.run.dir=DIR"
        )
    log.info("%s: finished before, done again with the same settings", output)


def _finished(output: Path) -> bool:
    """Return whether a job has finished here; earlier runs of rivals left a model alone."""
    trained = (output / "model").is_dir() and not (output / TRAINED_FILE).is_file()
    return (output / RUN_FILE).is_file() or trained


def _check_same(output: Path, before: str | None, now: dict[str, Any]) -> None:
    if before == settings_hash(now):
        return
    noted = output / JOB_FILE
    then: dict[str, Any] = read_json(noted).get("settings", {}) if noted.is_file() else {}
    differing = sorted(key for key in then | now if then.get(key) != now.get(key)) if then else []
    changes = [f"{key}: {then.get(key)!r} -> {now.get(key)!r}" for key in differing[:SHOWN_CHANGES]]
    raise ValueError(
        f"{output}: holds a job with other settings ({'; '.join(changes) or 'not noted'}); one "
        "folder holds one job, so give this one another folder with hydra.run.dir=DIR (of a sweep "
        "hydra.sweep.dir=DIR), or remove the old one"
    )
