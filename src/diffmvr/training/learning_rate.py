"""Which learning rate?  Lightning's range test, kept as a figure and a number."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.tuner import Tuner, lr_finder
from matplotlib.figure import Figure

from diffmvr.files import write_json
from diffmvr.progress import ProgressBars

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
    with _own_bars():
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


class _Bar:
    """The part of a tqdm bar that Lightning's range test needs, shown as all others are."""

    def __init__(self, bars: ProgressBars, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task("trying learning rates", total=total, unit="steps")

    def update(self) -> None:
        """Count a step."""
        self._bars.advance(self._task)

    def close(self) -> None:
        """Leave the end to whoever has started the bars."""


@contextmanager
def _own_bars() -> Iterator[None]:
    """Put this project's progress in the place of the bar that Lightning always shows."""
    theirs, bars = lr_finder.tqdm, ProgressBars()
    lr_finder.tqdm = lambda desc, total: _Bar(bars, total)
    bars.start()
    try:
        yield
    finally:
        bars.stop()
        lr_finder.tqdm = theirs


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
