"""The Trainer of every run: what is configured, and what no run goes without."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from diffmvr.checks import check_count
from diffmvr.quiet import quiet_follower, quiet_lightning
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.training.callbacks import ValidationScores
from diffmvr.training.checkpoint_places import CheckpointPlaces
from diffmvr.training.exact_resume import ExactResume, LastValidation
from diffmvr.training.finite_guard import FiniteGuard


def build_trainer(
    trainer: DictConfig, callbacks: DictConfig, loggers: Sequence[Any], folder: Path, seed: int
) -> L.Trainer:
    """Build the Trainer.

    Verified checkpoints, exact resume and the guard against losses that are not finite are no
    settings: they change no result, and a run that lacks them shows it only when it is too late.

    Args:
        trainer: ``conf/trainer``.
        callbacks: ``conf/callbacks``; those set to null are left out.
        loggers: the run's.
        folder: of the run's checkpoints.
        seed: of the run.

    Raises:
        ValueError: if it is to run on a GPU and there is none, or a setting or its value is none of
            a Trainer's.
    """
    check_accelerator(trainer)
    check_devices(trainer)
    interval = trainer.get("val_check_interval")
    if isinstance(interval, int | float) and interval <= 0:
        raise ValueError(
            "trainer.val_check_interval: expected a number of steps of at least 1, or a share of "
            f"an epoch above 0.0, got {interval}; for no validation set trainer.limit_val_batches=0"
        )
    quiet_lightning()
    steps = trainer.get("max_steps", -1)
    # 0: a checkpoint becomes a model as it is.  −1: as Lightning's, without end.
    if steps not in (0, -1):
        check_count("trainer.max_steps", steps)
    configured = [instantiate(entry) for entry in callbacks.values() if entry is not None]
    plugins = instantiate(trainer.get("plugins")) or ()
    written = [one.dirpath for one in configured if getattr(one, "dirpath", None)]
    # The guard before the last: the weights are still of one step when it raises.
    own = [CheckpointPlaces(), FiniteGuard(), ExactResume(folder, seed)]
    try:
        built: L.Trainer = instantiate(
            trainer,
            callbacks=[LastValidation(), ValidationScores(), *configured, *own],
            # callbacks.progress shows it.
            enable_progress_bar=False,
            logger=list(loggers),
            plugins=[*plugins, VerifiedCheckpointIO([folder, *written])],
        )
    except InstantiationException as error:
        # How Lightning says that it does not know a setting, or what it is set to.
        if isinstance(error.__cause__, MisconfigurationException | TypeError | ValueError):
            raise ValueError(f"trainer: {' '.join(str(error.__cause__).split())}") from error
        raise
    if not built.is_global_zero:
        quiet_follower()
    return built


def frames_per_step(trainer: L.Trainer, frames: int) -> int:
    """Return how many frames one optimizer step sees, over all processes and accumulated batches.

    Args:
        trainer: the run's.
        frames: of one batch.
    """
    return frames * trainer.world_size * trainer.accumulate_grad_batches


def check_accelerator(trainer: DictConfig) -> None:
    """Require the GPU that a trainer is to run on.

    Args:
        trainer: ``conf/trainer``.

    Raises:
        ValueError: if there is none.
    """
    asked = trainer.get("accelerator")
    if asked in ("gpu", "cuda") and not torch.accelerator.is_available():
        raise ValueError(
            f"trainer.accelerator: {asked} was asked for, but torch finds no GPU; use trainer=cpu, "
            "or ddp_sim and fsdp_sim for two processes on the CPU"
        )


def check_devices(trainer: DictConfig) -> None:
    """Require a number of devices, or on GPUs their numbers.

    Args:
        trainer: ``conf/trainer``.

    Raises:
        ValueError: if it is something else.
    """
    devices = trainer.get("devices", "auto")
    number = re.fullmatch(r"[1-9]\d*", str(devices))
    on_cpu = trainer.get("accelerator") == "cpu"
    if number or devices == "auto":
        return
    chosen = re.fullmatch(r"-1|\d+(,\s*\d+)*,?|\[\d+(, \d+)*\]", str(devices))
    if on_cpu or chosen is None or str(devices) == "0":
        more = "" if on_cpu else ", -1 for all GPUs, or the GPUs' numbers as [0,1]"
        raise ValueError(
            f"trainer.devices: expected a whole number of at least 1{more}, got {devices!r}; one "
            "process runs on each device"
        )


def check_whole(trainer: DictConfig) -> None:
    """Require that every process holds all weights: the module cannot share them out.

    Args:
        trainer: ``conf/trainer``.

    Raises:
        ValueError: if they are to be shared out.
    """
    name = OmegaConf.select(trainer, "strategy._target_")
    if name is not None and issubclass(get_class(name), ModelParallelStrategy):
        raise ValueError(
            f"trainer.strategy: {name} (trainer=fsdp, fsdp_sim) shares out the networks of "
            "diffmvr.train alone; use trainer=ddp, or ddp_sim for two processes on the CPU"
        )
