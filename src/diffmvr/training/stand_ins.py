"""Weights and batches without memory, for which the real code runs as for real ones.

The real code runs once on tensors without memory (``FakeTensorMode``), and every tensor that it
would allocate is counted while it lives; no device needs to be there.

N frames, G guides, c × h × w latents.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from diffmvr.losses.decoded import DecodedLoss
from diffmvr.models.components import Components
from diffmvr.models.conditioning import Conditions
from diffmvr.models.vae import compression, encode_latents
from diffmvr.training.live_memory import live_peak

MIXED = ("bf16-mixed", "16-mixed")


class Parts(nn.Module):
    """Every network of a model, each once, so that all weights can be replaced for one call."""

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.unet, self.projector, self.vae = components.unet, components.projector, components.vae
        self.towers = nn.ModuleList(dict.fromkeys(components.image_encoders))

    def forward(self, function: Callable[[], Any]) -> Any:
        """Call a function."""
        return function()

    def state(self) -> dict[str, Tensor]:
        """Return all weights and buffers by name."""
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


def peak_without_memory(
    parts: Parts, function: Callable[[], Any], precision: str, device: str
) -> int:
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


@dataclass(frozen=True)
class StandInBatch:
    """Tensors of the shapes that N frames have; made anew at each call."""

    components: Components
    frames: int
    side: int

    def latents(self) -> Tensor:
        """Return ``[N, c, h, w]``."""
        cells = self.side // compression(self.components.vae.config)
        channels = self.components.vae.config.latent_channels
        return torch.empty(self.frames, channels, cells, cells)

    def conditions(self) -> Conditions:
        """Return what the U-Net is led by."""
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


class EveryFrameDecoded(DecodedLoss):
    """Needs the same memory, and no values to pick frames by."""

    def forward(
        self,
        estimate: Tensor,
        clean: Tensor,
        mask: Tensor,
        decode: Callable[[Tensor], Tensor],
        expressive: Tensor | None = None,
    ) -> Tensor:
        """Return a loss over all frames; see ``DecodedLoss``."""
        with torch.no_grad():
            truth = decode(clean)
        error = (decode(estimate) - truth).square().mean(dim=1, keepdim=True)
        return error.mean()


def without_memory(gradient: Tensor) -> Tensor:
    """Stand in for a gradient that is handed on to the processes that keep it."""
    return gradient.new_empty(()).expand_as(gradient)
