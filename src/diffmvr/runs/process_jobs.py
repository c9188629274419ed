"""One process tree for each job, so that sweeps and several processes go together.

Lightning starts a job's other processes by repeating the command that the first was given, and of a
sweep that is the whole sweep.  A job of a sweep that needs several processes is therefore run by a
command of its own, which names this job alone and its folder; its processes repeat that.  It does
not matter which launcher the sweep uses.

A process ends when the one that started it is gone: a sweep that is killed leaves nobody behind who
would write into the folder of the job that takes its place.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from omegaconf import DictConfig

from diffmvr.overrides import quoted
from diffmvr.runs.search import read_objective

log = logging.getLogger(__name__)

PARENT = "DIFFMVR_PARENT"
POLL_SECONDS = 0.5
# What it takes to write a last checkpoint.
GRACE_SECONDS = 60
ORPHANED = 3
# Of a sweep, and not of one of its jobs.
SWEEP_OVERRIDES = (
    *("hydra.mode=", "hydra.run.dir=", "hydra.sweep.", "hydra/launcher=", "hydra.launcher."),
    *("hydra/sweeper=", "hydra.sweeper.", "hydra.output_subdir="),
)


def run_job(kind: str, function: Callable[[DictConfig], Any], cfg: DictConfig) -> float | None:
    """Run a job: here, or by a command of its own; the whole ``main`` of what trains.

    Args:
        kind: the entry point, e.g. ``"train"``.
        function: what it does.
        cfg: the composed configuration, with ``trainer.devices``.

    Returns:
        The score of a job of a search (``hparams_search``); ``None`` of any other.

    Raises:
        SystemExit: with the command's code, if it failed.
        ValueError: see ``runs_apart`` and ``read_objective``.
    """
    end_with_parent()
    if runs_apart(cfg):
        run_apart(job_command(f"diffmvr.{kind}"))
    else:
        function(cfg)
    return read_objective(cfg)


def runs_apart(cfg: DictConfig) -> bool:
    """Return whether this job is to be run by a command of its own.

    Args:
        cfg: the composed configuration, with ``trainer.devices``.

    Raises:
        ValueError: if somebody else has started several processes (``torchrun``, ``srun``), and
            they would not be those of one job in one folder.
    """
    settings = HydraConfig.get()
    starter = _outside_starter()
    is_sweep = settings.mode == RunMode.MULTIRUN
    if starter is None:
        several = str(cfg.trainer.devices) != "1" or cfg.trainer.get("num_nodes", 1) > 1
        return is_sweep and several
    # Submitit starts the processes of one job, each with this job's folder.
    if is_sweep and "submitit" not in settings.launcher._target_:
        raise ValueError(
            f"--multirun: {starter} has started several processes, and each would run the whole "
            "sweep; start the sweep once, with hydra/launcher=slurm or without a launcher, and "
            "every job starts its own processes"
        )
    given = any(entry.startswith("hydra.run.dir=") for entry in settings.overrides.hydra)
    if not is_sweep and not given:
        raise ValueError(
            f"hydra.run.dir: {starter} has started several processes, which would each choose a "
            "folder by the clock; give them one, as hydra.run.dir=outputs/mine"
        )
    return False


def job_command(module: str) -> list[str]:
    """Return the command that runs this job of a sweep alone, in its folder.

    Args:
        module: the entry point, e.g. ``"diffmvr.train"``.
    """
    settings = HydraConfig.get()
    options = ["--config-name", str(settings.job.config_name)]
    for source in settings.runtime.config_sources:
        if source.provider == "command-line":
            options += ["--config-dir", str(source.path)]
    kept = [entry for entry in settings.overrides.hydra if not entry.startswith(SWEEP_OVERRIDES)]
    folder = f"hydra.run.dir={quoted(settings.runtime.output_dir)}"
    # A search is a sweep by its settings.
    alone = [*kept, "hydra.mode=RUN", folder]
    return [sys.executable, "-m", module, *options, *settings.overrides.task, *alone]


def run_apart(command: Sequence[str]) -> None:
    """Run a job's command to its end, and end it if this process is stopped.

    Raises:
        SystemExit: with the command's code, if it failed; it has said why.
    """
    log.info("a command of its own, for its processes: %s", " ".join(command))
    process = subprocess.Popen(command, env={**os.environ, PARENT: str(os.getpid())})
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    if code:
        raise SystemExit(code)


def end_with_parent() -> None:
    """End this process when the one that started it for a job is gone.

    Does nothing in a process that was not started so.
    """
    # Taken, lest whatever this process starts takes itself for a child of that one.
    parent = os.environ.pop(PARENT, None)
    if parent is not None:
        threading.Thread(
            target=_watch, args=(int(parent),), name="parent-watch", daemon=True
        ).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    # Not an exception: the main thread may wait for processes that are gone as well.
    os._exit(ORPHANED)


def _outside_starter() -> str | None:
    """Return the name of what has started several processes of this job, if anything has."""
    if TorchElasticEnvironment.detect():
        return "torchrun"
    if SLURMEnvironment.detect() and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return "srun"
    return None
