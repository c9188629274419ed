"""The random draws of one optimizer step, the same however its clips are spread.

An optimizer step takes P batches of equal size: one of every process, times those that are
accumulated.  All of them are drawn for, in the order of their clips, from one generator, and each
takes its own part.  Two processes, one that accumulates two batches, and one with a batch twice as
large therefore train on the same noise.  Drawing for all takes P times
as long; nothing is sent.
"""

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig
from torch import Tensor

from diffmvr.structures import ClipBatch


class SharedDraws:
    """Draws of one batch out of those of its optimizer step.

    Args:
        generator: of the step, the same for all of its batches.
        part: which batch, 0 to ``parts`` − 1.
        parts: P.

    Raises:
        ValueError: if there is no such part.
    """

    def __init__(self, generator: torch.Generator, part: int = 0, parts: int = 1) -> None:
        if not 0 <= part < parts:
            raise ValueError(f"part: expected 0 to {parts - 1}, got {part}")
        self._generator = generator
        self._part = part
        self._parts = parts

    @classmethod
    def of_trainer(
        cls, generator: torch.Generator, trainer: L.Trainer, batch_idx: int
    ) -> "SharedDraws":
        """Return the draws of a batch that a trainer's process is given."""
        accumulated, processes = trainer.accumulate_grad_batches, trainer.world_size
        part = batch_idx % accumulated * processes + trainer.global_rank
        return cls(generator, part, accumulated * processes)

    def uniform(self, count: int) -> Tensor:
        """Return ``[count]`` in [0, 1)."""
        return self._own(torch.rand, (count,))

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return standard normal numbers."""
        return self._own(torch.randn, shape)

    def integers(self, end: int, count: int) -> Tensor:
        """Return ``[count]`` integers from 0 to ``end`` − 1."""

        def draw(shape: Sequence[int], generator: torch.Generator) -> Tensor:
            return torch.randint(0, end, tuple(shape), generator=generator)

        return self._own(draw, (count,))

    def _own(self, draw: Callable[..., Tensor], shape: Sequence[int]) -> Tensor:
        count, *rest = shape
        whole = draw((self._parts * count, *rest), generator=self._generator)
        return whole[self._part * count : (self._part + 1) * count]


Augmentation = Callable[[ClipBatch, SharedDraws], ClipBatch]
"""Changes a batch of whole windows at random, e.g. ``ClipAugmentation``."""


def augmentation_fact(cfg: DictConfig) -> dict[str, Any]:
    """Return what a model card says of a run's augmentation; nothing if there was none."""
    if cfg.augmentation is None:
        return {}
    values = ((name, value) for name, value in cfg.augmentation.items() if name != "_target_")
    return {"augmentation": ", ".join(f"{name} {value}" for name, value in values if value)}
