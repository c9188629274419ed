"""What the losses are of: a batch, the noise it was given, and what the U-Net said of it.

B clips, T frames, N = B·T frames folded, c × h × w latents.

A loss of one's own is a torch module with a ``weight``, called with a ``Prediction``, in a file
of its own; ``+loss.extra.smooth._target_=my_losses.Smoothness`` adds it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from diffmvr.losses.estimates import predict_clean, training_target


@dataclass(frozen=True, eq=False)
class Prediction:
    """One prediction of the U-Net.

    Attributes:
        output: ``[N, c, h, w]``, ε or v.
        noisy: ``[N, c, h, w]`` y_T, its input latents.
        latents: ``[N, c, h, w]`` y_0, the clean ones.
        noise: ``[N, c, h, w]`` ε.
        timesteps: ``[N]`` int, equal within a clip.
        mask: ``[N, 1, h, w]`` 0/1, 1 = hidden.
        frames: T.
        scheduler: the diffusers noise schedule.
        decode: latents to pictures ``[N, 3, H, W]`` in about [-1, 1]; the gradient goes through it.
        expressive: ``[N, 1, h, w]`` in [0, 1], how much a cell belongs to eyes, brows or mouth;
            ``None`` where nobody knows where the faces are.
    """

    output: Tensor
    noisy: Tensor
    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    mask: Tensor
    frames: int
    scheduler: Any
    decode: Callable[[Tensor], Tensor]
    expressive: Tensor | None = None

    @cached_property
    def target(self) -> Tensor:
        """``[N, c, h, w]``, what ``output`` should be."""
        return training_target(self.scheduler, self.latents, self.noise, self.timesteps)

    @cached_property
    def clean(self) -> Tensor:
        """``[N, c, h, w]`` ŷ_0, Tweedie's estimate of the clean latents."""
        return predict_clean(self.scheduler, self.output, self.noisy, self.timesteps)


def check_terms(terms: Mapping[str, nn.Module]) -> Mapping[str, nn.Module]:
    """Return more terms of the loss, each a module with a weight and a name of its own.

    Raises:
        ValueError: with the one that is none.
    """
    taken = ("denoising", "motion", "decoded")
    for name, term in terms.items():
        weight = getattr(term, "weight", None)
        if name in taken or "." in name:
            raise ValueError(f"loss.extra.{name}: expected a name without a dot, not of {taken}")
        if not isinstance(term, nn.Module) or not isinstance(weight, int | float):
            raise ValueError(
                f"loss.extra.{name}: expected a torch module with a number as its weight, got "
                f"{type(term).__name__} with weight {weight!r}"
            )
    return terms
