"""The two sizes that are measured, and frames for them.

``tiny`` is the small model with its shipped weights.  ``sd15`` has Stable Diffusion 1.5's
autoencoder and U-Net and OpenCLIP's ViT-L/14 at full size with random weights: how fast a network
is does not depend on what it has learnt.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffmvr.config import weights_dir
from diffmvr.models.components import Components, build_stable_diffusion, load_components
from diffmvr.models.guide_settings import GuideSettings

SIZES = ("tiny", "sd15")
PIXELS = {"tiny": 64, "sd15": 512}


@dataclass(frozen=True)
class Case:
    """A model and where it runs.

    Attributes:
        size: ``tiny`` or ``sd15``.
        components: the model.
        device: where it is.
        dtype: of the weights.
        autocast: precision of the arithmetic over float32 weights, as in training; ``None`` for
            that of the weights.
    """

    size: str
    components: Components
    device: torch.device
    dtype: torch.dtype = torch.float32
    autocast: torch.dtype | None = None

    @property
    def modules(self) -> list[nn.Module]:
        """Each network once."""
        parts = self.components
        every = [parts.vae, *parts.image_encoders, parts.projector, parts.unet]
        return list({id(module): module for module in every}.values())

    @property
    def pixels(self) -> int:
        """Side of the frames."""
        return PIXELS[self.size]

    def precision(self) -> torch.autocast:
        """Return the context to compute in."""
        enabled = self.autocast is not None
        return torch.autocast(self.device.type, dtype=self.autocast, enabled=enabled)

    def described(self) -> dict[str, str]:
        """Return what a row says of the model."""
        precision = str(self.dtype) if self.autocast is None else f"autocast {self.autocast}"
        return {
            "size": self.size,
            "device": self.device.type,
            "precision": precision.replace("torch.", ""),
            "pathway": self.components.guide.pathway,
        }


def build_case(
    size: str,
    device: torch.device,
    pathway: str = "attention",
    dtype: torch.dtype = torch.float32,
    autocast: torch.dtype | None = None,
    channels_last: bool = False,
) -> Case:
    """Build a model ready to run.

    Args:
        size: ``tiny`` or ``sd15``.
        device: where it is to be.
        pathway: ``attention`` (the paper's model) or ``both`` (the product's, ``tiny`` only has
            weights for it: predicts the difference from the past guide).
        dtype: of the weights.
        autocast: precision of the arithmetic over float32 weights; ``None`` for the weights' own.
        channels_last: memory format of the convolutions.
    """
    guide = GuideSettings(pathway=pathway, residual=pathway == "both")
    components = _tiny(guide) if size == "tiny" else build_stable_diffusion(guide, device)
    case = Case(size, components, device, dtype, autocast)
    for module in case.modules:
        module.to(device).eval()
        if dtype != torch.float32:
            module.to(dtype)
        if channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return case


def _tiny(guide: GuideSettings) -> Components:
    if guide.uses_residual:
        return load_components(weights_dir() / "diffmvr-tiny")
    return load_components(weights_dir() / "tiny-base", guide, guide_dropout=0.0)


def random_frames(case: Case, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what the pipeline takes of so many frames: a quarter of each is hidden.

    Args:
        case: for which model.
        count: N.

    Returns:
        ``pixel_values``, ``mask``, ``guide_pixel_values`` and ``guide_valid`` of
        ``DiffMVRPipeline``; every guide image is another, so that none is encoded once for many.
    """
    draw = torch.Generator().manual_seed(0)
    side, guides = case.pixels, len(case.components.guide.kinds)
    pixel_values = 2 * torch.rand((count, 3, side, side), generator=draw) - 1
    mask = torch.zeros(count, 1, side, side)
    mask[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    guide_pixel_values = 2 * torch.rand((count, guides, 3, side, side), generator=draw) - 1
    valid = torch.ones(count, guides, dtype=torch.bool)
    tensors = (pixel_values, mask, guide_pixel_values, valid)
    return tuple(tensor.to(case.device) for tensor in tensors)  # type: ignore[return-value]
