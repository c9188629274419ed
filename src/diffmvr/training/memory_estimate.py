"""How much memory a training step or a restoration will need, on a device that need not be there.

Not in the count are the workspaces of cuDNN and cuBLAS, fragmentation, and the CUDA context,
together about 1 GiB.

N frames.
"""

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffmvr.models.components import Components
from diffmvr.models.denoiser import predict
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.vae import decode_latents
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.live_memory import size_of, size_of_module
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.sharding import unet_blocks
from diffmvr.training.stand_ins import (
    EveryFrameDecoded,
    Parts,
    StandInBatch,
    peak_without_memory,
    without_memory,
)

GIB = 2**30


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on one device.

    Attributes:
        weights: of every part, frozen ones included.
        optimizer: its state.
        average: the moving average of what is trained.
        working: the most that a step allocates besides: activations, gradients, casts.
    """

    weights: int
    optimizer: int = 0
    average: int = 0
    working: int = 0

    @property
    def states(self) -> int:
        """What is there all the time."""
        return self.weights + self.optimizer + self.average

    @property
    def total(self) -> int:
        """The peak."""
        return self.states + self.working

    def __str__(self) -> str:
        parts = (
            ("weights", self.weights),
            ("optimizer", self.optimizer),
            ("moving average", self.average),
            ("activations and gradients", self.working),
        )
        listed = ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts if size)
        return f"about {self.total / GIB:.1f} GiB ({listed})"


def estimate_training(
    module: DiffMVRModule,
    frames: int,
    clips: int,
    side: int,
    precision: str = "32-true",
    device: str = "cpu",
    encoded: bool = False,
    averaged: bool = True,
    shares: int = 1,
) -> MemoryEstimate:
    """Estimate the memory of one training step on one device.

    Args:
        module: what is trained; its weights are not touched and may be on the meta device.
        frames: N of one device.
        clips: windows among them.
        side: of the frames in pixels.
        precision: of the trainer.
        device: ``cuda`` or ``cpu``; decides what autocast and the optimizer do.
        encoded: whether the frozen parts' outputs come from a cache.
        averaged: whether a moving average is kept.
        shares: processes that what is trained is shared out over.
    """
    components = module.components
    trained = module.trainable_parameters()
    size = sum(size_of(parameter) for parameter in trained)
    parts = Parts(components)
    batch = StandInBatch(components, frames, side)
    scheduler, decoded = module.scheduler, module.decoded

    def step() -> None:
        conditions = batch.conditions()
        # Where the expression is takes as much as where the hole is.
        encoded = EncodedBatch(
            batch.latents(), conditions, clips, expressive=torch.empty_like(conditions.mask)
        )
        losses = module.losses(encoded, _draws())
        total = module.total_loss(losses)
        current = parts.current()
        if shares > 1:
            for parameter in current:
                parameter.register_hook(without_memory)
        torch.autograd.grad(total, current, allow_unused=True)

    try:
        # Adding noise moves the scheduler's tables to the device.
        module.scheduler = copy(scheduler)
        module.decoded = EveryFrameDecoded(decoded.weight)
        working = peak_without_memory(parts, step, precision, device)
    finally:
        module.scheduler, module.decoded = scheduler, decoded
        for _, processor in guide_processors(components.unet):
            processor.mean_weights = None
    if not encoded:
        with torch.no_grad():
            working = max(working, peak_without_memory(parts, batch.encode, precision, device))
    share = size // shares
    if shares > 1:
        # Its gradients, a block that computes, the next one, and the first one's whole gradients.
        working += share + 3 * max(map(size_of_module, unet_blocks(components.unet)))
    # The usual optimizers take one copy of what they step on a GPU, beside the gradients.
    working = max(working, 2 * share if device == "cuda" else share)
    return MemoryEstimate(
        weights=sum(size_of(tensor) for tensor in parts.state().values()) - size + share,
        optimizer=_optimizer_state(module, trained) // shares,
        average=share if averaged else 0,
        working=working,
    )


@torch.no_grad()
def estimate_restoring(
    components: Components, frames: int, side: int, precision: str = "32-true", device: str = "cpu"
) -> MemoryEstimate:
    """Estimate the memory of restoring so many frames at a time.

    Args:
        components: the model; may be on the meta device.
        frames: N, restored together.
        side: of the frames in pixels.
        precision: ``16-mixed`` or ``bf16-mixed`` for autocast.
        device: ``cuda`` or ``cpu``; decides what autocast and the optimizer do.
    """
    parts = Parts(components)
    batch = StandInBatch(components, frames, side)
    scheduler = copy(components.scheduler)

    def denoise() -> None:
        conditions = batch.conditions()
        tokens = components.projector(conditions.image_embeds, conditions.guide_valid)
        time = torch.zeros(frames, dtype=torch.long)
        predict(components.unet, scheduler, batch.latents(), time, conditions, tokens)

    def decode() -> None:
        decode_latents(components.vae, batch.latents())

    stages = (batch.encode, denoise, decode)
    working = max(peak_without_memory(parts, stage, precision, device) for stage in stages)
    for _, processor in guide_processors(components.unet):
        processor.mean_weights = None
    return MemoryEstimate(
        sum(size_of(tensor) for tensor in parts.state().values()), working=working
    )


def _optimizer_state(module: DiffMVRModule, trained: list[nn.Parameter]) -> int:
    """Return the bytes that the optimizer keeps, by letting it step on tensors without memory."""
    stand_ins = [nn.Parameter(torch.empty_like(p, device="meta")) for p in trained]
    for parameter in stand_ins:
        parameter.grad = torch.empty_like(parameter)
    optimizer = module._optimizer(stand_ins)
    optimizer.step()
    tensors = (value for state in optimizer.state.values() for value in state.values())
    return sum(size_of(tensor) for tensor in tensors if isinstance(tensor, Tensor))


def _draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)
