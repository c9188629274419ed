"""What a training step or a restoration will need, before it is begun.

The real code runs once on tensors without memory (``FakeTensorMode``), and every tensor that it
would allocate is counted while it lives; no device needs to be there.  What is not
in the count: the workspaces of cuDNN and cuBLAS, fragmentation, and the CUDA context, together
about 1 GiB.

N frames, G guides, c × h × w latents.
"""

import gc
import logging
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diffmvr.losses.decoded import DecodedLoss
from diffmvr.models.components import Components
from diffmvr.models.conditioning import Conditions
from diffmvr.models.denoiser import predict
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.vae import compression, decode_latents, encode_latents
from diffmvr.training.ema import EMACallback
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.sharding import ShardedStrategy, unet_blocks

log = logging.getLogger(__name__)

GIB = 2**30
MIXED = ("bf16-mixed", "16-mixed")
# Smaller models fit anywhere, and an estimate takes seconds.
LEAST_TRAINED = GIB


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
    size = sum(_size(parameter) for parameter in trained)
    parts = _Parts(components)
    batch = _Batch(components, frames, side)
    scheduler, decoded = module.scheduler, module.decoded

    def step() -> None:
        losses = module.losses(EncodedBatch(batch.latents(), batch.conditions(), clips), _draws())
        total = losses["denoising"] + module.motion.weight * losses["motion"]
        if "decoded" in losses:
            total = total + module.decoded.weight * losses["decoded"]
        current = parts.current()
        if shares > 1:
            for parameter in current:
                parameter.register_hook(_without_memory)
        torch.autograd.grad(total, current, allow_unused=True)

    try:
        # Adding noise moves the scheduler's tables to the device.
        module.scheduler = copy(scheduler)
        module.decoded = _EveryFrameDecoded(decoded.weight)
        working = _peak(parts, step, precision, device)
    finally:
        module.scheduler, module.decoded = scheduler, decoded
        for _, processor in guide_processors(components.unet):
            processor.mean_weights = None
    if not encoded:
        with torch.no_grad():
            working = max(working, _peak(parts, batch.encode, precision, device))
    share = size // shares
    if shares > 1:
        # Its gradients, a block that computes, the next one, and the first one's whole gradients.
        working += share + 3 * max(map(_size_of, unet_blocks(components.unet)))
    # The usual optimizers take one copy of what they step on a GPU, beside the gradients.
    working = max(working, 2 * share if device == "cuda" else share)
    return MemoryEstimate(
        weights=sum(_size(tensor) for tensor in parts.state().values()) - size + share,
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
    parts = _Parts(components)
    batch = _Batch(components, frames, side)
    scheduler = copy(components.scheduler)

    def denoise() -> None:
        conditions = batch.conditions()
        tokens = components.projector(conditions.image_embeds, conditions.guide_valid)
        time = torch.zeros(frames, dtype=torch.long)
        predict(components.unet, scheduler, batch.latents(), time, conditions, tokens)

    def decode() -> None:
        decode_latents(components.vae, batch.latents())

    stages = (batch.encode, denoise, decode)
    working = max(_peak(parts, stage, precision, device) for stage in stages)
    for _, processor in guide_processors(components.unet):
        processor.mean_weights = None
    return MemoryEstimate(sum(_size(tensor) for tensor in parts.state().values()), working=working)


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
    unet, vae = module.components.unet, module.components.vae
    side = side or int(unet.config.sample_size * compression(vae))
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
    return sum(map(_size, module.trainable_parameters())) >= LEAST_TRAINED


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


def live_peak(function: Callable[[], Any], known: list[Tensor]) -> int:
    """Return the most bytes that were alive at once of what a function allocates.

    Args:
        function: what is run.
        known: tensors that were there before and do not count.
    """
    with _LiveBytes(known) as live:
        function()
    return live.peak


class _LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make, while they live."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        # Kept, so that no new storage gets the identity of one of these.
        self._before = [tensor.untyped_storage() for tensor in known]
        self._known = {storage._cdata for storage in self._before}
        self._now = 0
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        identity = storage._cdata
        if identity in self._known:
            return
        self._known.add(identity)
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, identity, storage.nbytes())

    def _forget(self, identity: int, size: int) -> None:
        self._known.discard(identity)
        self._now -= size


class _EveryFrameDecoded(DecodedLoss):
    """Needs the same memory, and no values to pick frames by."""

    def forward(
        self, estimate: Tensor, clean: Tensor, mask: Tensor, decode: Callable[[Tensor], Tensor]
    ) -> Tensor:
        with torch.no_grad():
            truth = decode(clean)
        error = (decode(estimate) - truth).square().mean(dim=1, keepdim=True)
        return error.mean()


class _Parts(nn.Module):
    """Every network of a model, each once, so that all weights can be replaced for one call."""

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.unet, self.projector, self.vae = components.unet, components.projector, components.vae
        self.towers = nn.ModuleList(dict.fromkeys(components.image_encoders))

    def forward(self, function: Callable[[], Any]) -> Any:
        return function()

    def state(self) -> dict[str, Tensor]:
        return dict([*self.named_parameters(), *self.named_buffers()])

    def current(self) -> list[Tensor]:
        """Return what is trained, as it stands in place within a call."""
        return [
            tensor
            for part in (self.unet, self.projector)
            for module in part.modules()
            for tensor in module._parameters.values()
            if tensor is not None and tensor.requires_grad
        ]


@dataclass(frozen=True)
class _Batch:
    """Tensors of the shapes that N frames have; made anew at each call."""

    components: Components
    frames: int
    side: int

    def latents(self) -> Tensor:
        cells = self.side // compression(self.components.vae)
        channels = self.components.vae.config.latent_channels
        return torch.empty(self.frames, channels, cells, cells)

    def conditions(self) -> Conditions:
        guide, tower = self.components.guide, self.components.image_encoders[0]
        latents, kinds = self.latents(), len(guide.kinds)
        guides = kinds if guide.uses_latents else 0
        tokens, width = tower.num_tokens(guide.tokens), tower.token_width(guide.tokens)
        return Conditions(
            mask=torch.empty_like(latents[:, :1]),
            masked_latents=torch.empty_like(latents),
            guide_latents=latents.new_empty(self.frames, guides, *latents.shape[1:]),
            image_embeds=latents.new_empty(kinds, self.frames, tokens, width),
            guide_valid=latents.new_empty(self.frames, kinds, dtype=torch.bool),
            reference_latents=torch.empty_like(latents),
        )

    def encode(self) -> None:
        """Run the frozen parts on the largest batch that they get."""
        guide = self.components.guide
        images = self.frames * (len(guide.kinds) if guide.uses_latents else 1)
        pictures = torch.empty(images, 3, self.side, self.side)
        encode_latents(self.components.vae, pictures)
        if guide.uses_attention:
            self.components.image_encoders[0](pictures[: self.frames], guide.tokens)


def _peak(parts: _Parts, function: Callable[[], Any], precision: str, device: str) -> int:
    """Run a function with weights without memory in all parts; see ``live_peak``.

    The stand-ins are of the CPU: torch runs no backward pass on those of a GPU that is not there.
    """
    half = precision in MIXED
    gc.collect()
    with FakeTensorMode(allow_non_fake_inputs=True):
        tensors = {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, requires_grad=tensor.requires_grad)
            for name, tensor in parts.state().items()
        }

        def run() -> None:
            norms = _norms_in_float32(parts) if half and device == "cuda" else nullcontext()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half), norms:
                functional_call(parts, tensors, (function,))

        return live_peak(run, list(tensors.values()))


@contextmanager
def _norms_in_float32(parts: nn.Module) -> Iterator[None]:
    """Let autocast do as on a GPU, where norms are computed in float32; on a CPU they are not."""
    hooks = [
        module.register_forward_pre_hook(lambda _module, inputs: (inputs[0].float(), *inputs[1:]))
        for module in parts.modules()
        if isinstance(module, nn.GroupNorm | nn.LayerNorm)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _optimizer_state(module: DiffMVRModule, trained: list[nn.Parameter]) -> int:
    """Return the bytes that the optimizer keeps, by letting it step on tensors without memory."""
    stand_ins = [nn.Parameter(torch.empty_like(p, device="meta")) for p in trained]
    for parameter in stand_ins:
        parameter.grad = torch.empty_like(parameter)
    optimizer = module._optimizer(stand_ins)
    optimizer.step()
    tensors = (value for state in optimizer.state.values() for value in state.values())
    return sum(_size(tensor) for tensor in tensors if isinstance(tensor, Tensor))


def _without_memory(gradient: Tensor) -> Tensor:
    """Stand in for a gradient that is handed on to the processes that keep it."""
    return gradient.new_empty(()).expand_as(gradient)


def _draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _size_of(part: nn.Module) -> int:
    return sum(map(_size, part.parameters()))


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _memory_of(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
