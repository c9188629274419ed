"""How much of the accelerator's arithmetic the training uses (MFU).

FLOPs are counted once, by torch's ``FlopCounterMode`` over a real forward and backward pass of the
trained part; the frozen parts are left out, as a cache of encodings leaves them out.  With
gradient checkpointing the repeated forward pass counts too.
"""

import logging
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.throughput import get_available_flops
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch.distributed.tensor import DTensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from diffmvr.structures import ClipBatch
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.module import DiffMVRModule

log = logging.getLogger(__name__)

SPEED = "train/frames_per_second"


class ModelFlopsUtilization(L.Callback):
    """Logs ``train/tflops_per_second`` and, where the peak is known, ``train/mfu`` in [0, 1].

    It stands beside ``FrameThroughput``, whose frames per second over all processes it takes.

    Args:
        peak_tflops: of one device at the training's precision, in 10¹² FLOP/s without sparsity;
            ``None`` takes what Lightning knows of the GPU (some of its figures are with sparsity).
            A CPU has no such figure: there, MFU is not applicable and not logged.
    """

    def __init__(self, peak_tflops: float | None = None) -> None:
        self._peak = None if peak_tflops is None else peak_tflops * 1e12
        self._flops_per_frame: float | None = None

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: ClipBatch | EncodedBatch,
        batch_idx: int,
    ) -> None:
        """Count the first batch's FLOPs, before it is trained on."""
        if self._flops_per_frame is not None:
            return
        if not isinstance(pl_module, DiffMVRModule):
            raise TypeError(f"expected a DiffMVRModule, got {type(pl_module).__name__}")
        with trainer.precision_plugin.train_step_context():
            self._flops_per_frame = training_flops(pl_module, batch) / batch.num_frames
        log.info("a training step takes %.3g GFLOP a frame", self._flops_per_frame / 1e9)
        if self._peak is None:
            self._peak = _known_peak(trainer)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: STEP_OUTPUT,
        batch: ClipBatch | EncodedBatch,
        batch_idx: int,
    ) -> None:
        """Log beside the frames per second."""
        speed = trainer.callback_metrics.get(SPEED)
        if speed is None or self._flops_per_frame is None:
            return
        if trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        per_second = float(speed) * self._flops_per_frame
        pl_module.log("train/tflops_per_second", per_second / 1e12)
        if self._peak is not None:
            pl_module.log("train/mfu", per_second / (self._peak * trainer.world_size))


def training_flops(module: DiffMVRModule, batch: ClipBatch | EncodedBatch) -> int:
    """Count the floating-point operations of one training step's forward and backward pass.

    Gradients, random state and weights stay as they were; of weights that are shared out there are
    no gradients yet, and every process has to call it.

    Args:
        module: with its frozen parts where the batch is.
        batch: of the size that is trained on.
    """
    encoded = batch if isinstance(batch, EncodedBatch) else module.encoder(batch)
    parameters = [p for p in module.trainable_parameters() if p.requires_grad]
    devices = [module.device] if module.device.type == "cuda" else []
    counter = FlopCounterMode(display=False, custom_mapping=_cpu_attention())
    with torch.random.fork_rng(devices), counter:
        losses = module.losses(encoded, torch.Generator().manual_seed(0))
        total = module.total_loss(losses)
        if isinstance(parameters[0], DTensor):
            # The graph is of the gathered weights; these are the parts of them.
            total.backward()
            module.zero_grad()
        else:
            torch.autograd.grad(total, parameters, allow_unused=True)
    return int(counter.get_total_flops())


def _cpu_attention() -> dict[Any, Any]:
    """Return what the counter does not know of: attention as the CPU computes it."""

    def forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return int(sdpa_flop_count(query, key, value))

    def backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        # As of the other kernels: five products where the forward pass has two.
        return int(sdpa_flop_count(query, key, value)) * 5 // 2

    aten = torch.ops.aten
    return {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }


def _known_peak(trainer: L.Trainer) -> float | None:
    device = trainer.strategy.root_device
    if device.type != "cuda":
        log.info("MFU is not applicable: a %s has no peak to compare with", device.type)
        return None
    half = "bf16" in trainer.precision or "16" in trainer.precision
    peak = get_available_flops(device, torch.bfloat16 if half else torch.float32)
    if peak is None:
        log.warning(
            "MFU is not logged: Lightning does not know the peak of %s; give it as "
            "callbacks.utilization.peak_tflops",
            torch.cuda.get_device_name(device),
        )
    return peak
