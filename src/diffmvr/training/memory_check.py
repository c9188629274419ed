"""Whether a training step fits, said before the first one."""

import logging
import os

import lightning as L
import torch

from diffmvr.training.ema import EMACallback
from diffmvr.training.live_memory import size_of
from diffmvr.training.memory_estimate import GIB, MemoryEstimate, estimate_training
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.sharding import ShardedStrategy

log = logging.getLogger(__name__)

# Smaller models fit anywhere, and an estimate takes seconds.
LEAST_TRAINED = GIB


def say_what_fits(
    module: DiffMVRModule,
    trainer: L.Trainer,
    frames: int,
    clips: int,
    side: int | None,
    encoded: bool,
) -> None:
    """Log what a training step of a large model will need, before the first one.

    Args:
        module: what is trained.
        trainer: says on which device, in which precision, and whether a moving average is kept.
        frames: N of one process.
        clips: windows among them.
        side: of the frames in pixels; None: as the model was made for.
        encoded: whether the frozen parts' outputs come from a cache.

    Raises:
        ValueError: if it cannot fit.
    """
    if not worth_estimating(module):
        return
    device: torch.device = trainer.strategy.root_device
    side = side or module.components.resolution
    try:
        estimate = estimate_training(
            module,
            frames,
            clips,
            side,
            str(trainer.precision),
            device.type,
            encoded,
            any(isinstance(one, EMACallback) for one in trainer.callbacks),  # type: ignore[attr-defined]
            trainer.world_size if isinstance(trainer.strategy, ShardedStrategy) else 1,
        )
    except RuntimeError as error:
        # An operation that needs values; no reason not to train.
        log.warning("memory of a training step: cannot be estimated (%s)", error)
        return
    check_memory(estimate, device)


def worth_estimating(module: DiffMVRModule) -> bool:
    """Return whether a model is large enough to ask whether it fits."""
    return sum(map(size_of, module.trainable_parameters())) >= LEAST_TRAINED


def check_memory(estimate: MemoryEstimate, device: torch.device) -> None:
    """Log an estimate, and say if it is more than a device has.

    Raises:
        ValueError: if weights and optimizer alone are more: the run would fail in any case.
    """
    log.info("memory of a training step: %s", estimate)
    available = _memory_of(device)
    remedy = (
        "use model.components.gradient_checkpointing=true, a smaller data.batch_frames (with "
        "trainer.accumulate_grad_batches), encodings= from diffmvr.cache, trainer=fsdp on several "
        "GPUs, or another device"
    )
    told = f"memory: {estimate} are needed, and {device} has {available / GIB:.1f} GiB; {remedy}"
    if estimate.states > available:
        raise ValueError(told)
    if estimate.total > available:
        log.warning(told)


def _memory_of(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
