"""How the guide images reach the U-Net: one value object, stored in the U-Net's config.json."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from diffmvr.checks import check_one_of
from diffmvr.models.config_files import building, check_kinds
from diffmvr.models.fusion import FUSIONS
from diffmvr.own_code import check_choice, check_trusted
from diffmvr.structures import GUIDE_KINDS, PastSelection

TOKEN_MODES = ("patch", "pooled", "single")
PATHWAYS = ("attention", "latents", "both")


@dataclass(frozen=True)
class GuideSettings:
    """Which guides there are, and how their information is fused (decisions 7, 9, 20).

    Attributes:
        kinds: the guides in order, each one of ``symmetric``, ``past``, ``present``, or a function
            of the user's own as ``module:function`` (see ``AutomaticGuides``).
        scales: α₁, α₂, … of the fixed fusion, one per guide.  (Not ``guidance_scale``, which means
            classifier-free guidance.)
        fusion: ``fixed`` (α from here), ``learned`` (one softmax per layer), ``gated`` (a softmax
            per query token, computed from the query), or a class of the user's own as
            ``module:Class`` (see ``models/fusion.py``).
        tokens: ``patch`` (class and patch tokens), ``pooled`` (the pooled vector expanded to
            ``num_tokens`` tokens) or ``single`` (one token, the paper to the letter: softmax over
            one key is 1, so the attention output does not depend on the query).
        num_tokens: tokens a pooled vector is expanded to; only for ``pooled``.
        pathway: ``attention`` (tokens through cross-attention: the paper), ``latents`` (the guides'
            VAE latents join the U-Net's input) or ``both``.
        residual: predict only what differs from the frame filled by the past guide, see
            ``diffmvr.models.denoiser``; has an effect only where the past is a guide and latents
            are a pathway.
        past: which unobstructed frames make the past guide that the model is trained with.
    """

    kinds: tuple[str, ...] = ("symmetric", "past")
    scales: tuple[float, ...] = (0.5, 0.5)
    fusion: str = "fixed"
    tokens: str = "patch"
    num_tokens: int = 4
    pathway: str = "attention"
    residual: bool = False
    past: PastSelection | dict[str, Any] = field(default_factory=PastSelection)

    def __post_init__(self) -> None:
        # Hydra and JSON hand over lists.
        object.__setattr__(self, "kinds", tuple(self.kinds))
        object.__setattr__(self, "scales", tuple(float(scale) for scale in self.scales))
        if not isinstance(self.past, PastSelection):
            object.__setattr__(self, "past", PastSelection.from_settings(self.past))
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"guide.kinds: expected distinct guides, got {self.kinds}")
        for kind in self.kinds:
            check_choice("guide.kinds", kind, GUIDE_KINDS)
        if len(self.scales) != len(self.kinds):
            raise ValueError(
                f"guide.scales: expected one number per guide {self.kinds}, got {self.scales}"
            )
        check_choice("guide.fusion", self.fusion, FUSIONS)
        check_one_of("guide.tokens", self.tokens, TOKEN_MODES)
        check_one_of("guide.pathway", self.pathway, PATHWAYS)
        if self.tokens == "pooled" and self.num_tokens < 4:
            raise ValueError(f"guide.num_tokens: expected at least 4, got {self.num_tokens}")

    @classmethod
    def from_saved(cls, saved: Any, source: object) -> "GuideSettings":
        """Build from what ``to_dict`` gave, read from a file.

        Args:
            saved: the settings by name.
            source: the file, for messages.

        Raises:
            ValueError: if they are no such settings, or name code that may not be imported; with
                the file.
        """
        check_kinds(saved, cls, f"{source}: guide")
        for choice in (saved.get("fusion"), *saved.get("kinds", ())):
            check_trusted(choice, source)
        with building("guides", source):
            return cls(**saved)

    @property
    def uses_attention(self) -> bool:
        """Whether guide tokens drive the cross-attention (else a learned null embedding does)."""
        return self.pathway != "latents"

    @property
    def uses_latents(self) -> bool:
        """Whether the guides' latents join the U-Net's input channels."""
        return self.pathway != "attention"

    @property
    def uses_residual(self) -> bool:
        """Whether predictions are relative to reference latents.

        Without a past guide there is nothing to be relative to: what the base knows of whole frames
        would be given up for a grey hole.
        """
        return self.residual and self.uses_latents and "past" in self.kinds

    def in_channels(self, latent_channels: int) -> int:
        """Return the U-Net's input channels: noisy (c), mask (1), masked (c), guides (G·c)."""
        guides = len(self.kinds) if self.uses_latents else 0
        return 2 * latent_channels + 1 + guides * latent_channels

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, for ``config.json``."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def check_guide_scales(scales: Sequence[float], kinds: Sequence[str]) -> tuple[float, ...]:
    """Return user-given α's as a tuple.

    Raises:
        ValueError: if there is not one finite number per guide.
    """
    values = tuple(float(scale) for scale in scales)
    if len(values) != len(kinds) or not all(map(math.isfinite, values)):
        raise ValueError(
            f"guide_scales: expected one finite number per guide {tuple(kinds)}, got {values}"
        )
    return values
