"""Which learning rate?  Lightning's range test, kept as a figure and a number."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.tuner import Tuner
from matplotlib.figure import Figure

from diffmvr.files import write_json

log = logging.getLogger(__name__)

REPORT = "learning_rate.json"
PICTURE = "learning_rate.png"


def find_learning_rate(
    trainer: L.Trainer,
    module: L.LightningModule,
    data: L.LightningDataModule,
    folder: Path,
    min_lr: float = 1e-7,
    max_lr: float = 1e-1,
    num_training: int = 100,
    early_stop_threshold: float = 4.0,
) -> float | None:
    """Raise the learning rate step by step and see where the loss falls fastest.

    Nothing is trained: the weights are put back.

    Args:
        trainer: without callbacks of the run; one step after the other, no accumulation.
        module: to be trained.
        data: its training data.
        folder: ``learning_rate.json`` and ``learning_rate.png`` are written into it.
        min_lr: where to begin.
        max_lr: where to end.
        num_training: steps in between, in equal factors; at least 20.
        early_stop_threshold: end where the smoothed loss is so many times its best.

    Returns:
        The rate at which the loss fell fastest; ``None`` if it diverged before that could be told.

    Raises:
        ValueError: if the rates or the number of steps make no range.
    """
    if not 0 < min_lr < max_lr:
        raise ValueError(f"find_lr: expected 0 < min_lr < max_lr, got {min_lr:g} and {max_lr:g}")
    if num_training < 20:
        raise ValueError(
            f"find_lr.num_training: expected at least 20 steps to tell a slope, got {num_training}"
        )
    finder: Any = Tuner(trainer).lr_find(
        module,
        datamodule=data,
        min_lr=min_lr,
        max_lr=max_lr,
        num_training=num_training,
        early_stop_threshold=early_stop_threshold,
        update_attr=False,
    )
    rates, losses = finder.results["lr"], finder.results["loss"]
    suggestion: float | None = finder.suggestion()
    if trainer.is_global_zero:
        # A loss that is not finite ends the test, and JSON has no word for it.
        curve = [(rate, loss) for rate, loss in zip(rates, losses, strict=True) if loss < 1e30]
        write_json(
            folder / REPORT,
            {
                "suggestion": suggestion,
                "learning_rates": [rate for rate, _ in curve],
                "smoothed_losses": [loss for _, loss in curve],
            },
        )
        _draw(curve, suggestion).savefig(folder / PICTURE, dpi=120)
        log.info("suggested learning rate: %s (%s)", suggestion, folder / PICTURE)
    return suggestion


def _draw(curve: list[tuple[float, float]], suggestion: float | None) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([rate for rate, _ in curve], [loss for _, loss in curve])
    if suggestion is not None:
        axes.axvline(suggestion, linestyle="--", color="tab:red", label=f"{suggestion:.2g}")
        axes.legend(title="steepest fall")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss (smoothed)")
    return figure
