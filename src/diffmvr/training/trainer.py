"""The Trainer of every run: what is configured, and what no run goes without."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import get_class, instantiate
from lightning.pytorch.strategies import ModelParallelStrategy
from omegaconf import DictConfig, OmegaConf

from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
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
        ValueError: if it is to run on a GPU and there is none.
    """
    check_accelerator(trainer)
    configured = [instantiate(entry) for entry in callbacks.values() if entry is not None]
    plugins = instantiate(trainer.get("plugins")) or ()
    written = [one.dirpath for one in configured if getattr(one, "dirpath", None)]
    built: L.Trainer = instantiate(
        trainer,
        # The guard before the other: the weights are still of one step when it raises.
        callbacks=[
            LastValidation(),
            *configured,
            CheckpointPlaces(),
            FiniteGuard(),
            ExactResume(folder, seed),
        ],
        logger=list(loggers),
        plugins=[*plugins, VerifiedCheckpointIO([folder, *written])],
    )
    return built


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
