"""One code path to the parts of DiffMVR: a folder, one file of Stable Diffusion, or a hub id.

A folder is laid out as Stable Diffusion's: ``vae/ unet/ scheduler/``, and for a guided model also
``image_encoder/ projector/`` and optionally ``image_encoder_2/``.  A fine-tuned model may leave the
frozen parts to its base, which ``base.json`` then names: ``{"base": "../tiny-base"}``.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DDIMScheduler, SchedulerMixin
from torch.utils.checkpoint import checkpoint

from diffmvr.models.base_checkpoint import part_folder, resolve_base
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.ip_adapter import start_from_guide_weights
from diffmvr.models.open_clip_weights import tower_settings
from diffmvr.models.part_loading import (
    as_ddim,
    build_projector,
    load_image_encoders,
    load_projector,
    load_scheduler,
    load_vae,
    load_vae_like,
    open_single_file,
)
from diffmvr.models.projector import GuideProjector
from diffmvr.models.stable_diffusion import SCHEDULER_CONFIG, UNET_CONFIG, VAE_CONFIG
from diffmvr.models.unet import build_unet, load_unet
from diffmvr.models.vae import compression, trained_side
from diffmvr.parsing import user_path

log = logging.getLogger(__name__)


@dataclass
class Components:
    """The parts of a DiffMVR model.

    Attributes:
        vae: frozen autoencoder.
        unet: U-Net with fused attention.
        scheduler: diffusers noise schedule.
        image_encoders: one frozen OpenCLIP tower per guide (guides may share one object: frozen
            towers with the same weights give the same tokens).
        projector: one MLP per guide.
        guide: guide settings.
    """

    vae: Any
    unet: Any
    scheduler: SchedulerMixin
    image_encoders: tuple[GuideEncoder, ...]
    projector: GuideProjector
    guide: GuideSettings

    @property
    def resolution(self) -> int:
        """Side p of the square frames that the model was made for, in pixels."""
        return trained_side(self.unet.config, self.vae.config)

    def check_side(self, side: int) -> None:
        """Require frames that the autoencoder and the U-Net can halve as often as they do.

        Args:
            side: of square frames, in pixels; a warning says if the model was made for another.

        Raises:
            ValueError: with the sizes that are possible.
        """
        step = compression(self.vae.config) * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if side % step:
            raise ValueError(
                f"data.source.size: expected a multiple of {step} for this model, which was made "
                f"for {self.resolution}, got {side}"
            )
        if side != self.resolution:
            log.warning(
                "data.source.size=%d: the model was made for frames of %d pixels, and restores "
                "such after the training, too; give data.source.size=%d",
                *(side, self.resolution, self.resolution),
            )


def load_components(
    base: str | Path,
    guide: GuideSettings | None = None,
    image_encoder: tuple[str, str | None] | str | Path | None = None,
    guide_dropout: float | None = None,
    configs: str | Path | None = None,
    schedule: Mapping[str, Any] | None = None,
    gradient_checkpointing: bool = False,
    guide_weights: str | Path | None = None,
    vae: str | Path | None = None,
) -> Components:
    """Load a base and fit it to the guide settings.

    Args:
        base: a local folder, one ``.safetensors`` file in the original layout of Stable Diffusion,
            or a hub id such as ``stable-diffusion-v1-5/stable-diffusion-v1-5``.
        guide: what is wanted; None takes what the folder was saved with.
        image_encoder: for a base without ``image_encoder/``: (OpenCLIP architecture, weights), see
            ``GuideEncoder.from_open_clip``, or a folder that holds a saved tower.
        guide_dropout: training probability of replacing a guide by its null embedding; None keeps
            the saved one.
        configs: for a single file of another architecture than Stable Diffusion 1.5: a folder in
            diffusers layout of the same model, of which only the settings are read.
        schedule: settings of the noise schedule that replace the base's, by diffusers' names.
        gradient_checkpointing: compute activations twice instead of keeping them: less memory in
            training, the same result.
        guide_weights: for a base without guides: IP-Adapter's full-face weights, which projectors,
            keys and values start from; see ``diffmvr.models.ip_adapter``.
        vae: folder of an autoencoder to take instead of the base's, with the same latents: TAESD
            (``AutoencoderTiny``) for quick previews.

    Raises:
        FileNotFoundError: if the base or one of its parts is missing.
        ValueError: if the parts do not fit each other.
    """
    place = resolve_base(base)
    if guide_weights is not None and (place / "projector").is_dir():
        raise ValueError(
            f"model.components.guide_weights: {place} has guides of its own; give a base without, "
            "such as Stable Diffusion 1.5, or leave the weights out"
        )
    if place.is_file():
        autoencoder, unet, scheduler = open_single_file(place, guide, configs)
    else:
        autoencoder = load_vae(part_folder(place, "vae"))
        unet = load_unet(place / "unet", guide)
        scheduler = load_scheduler(part_folder(place, "scheduler"))
    if schedule:
        scheduler = DDIMScheduler.from_config(scheduler.config, **schedule)
    if vae is not None:
        autoencoder = load_vae_like(user_path(vae), autoencoder)
    if unet.config.out_channels != autoencoder.config.latent_channels:
        raise ValueError(
            f"{place}: latent channels: the U-Net has {unet.config.out_channels}, the autoencoder "
            f"has {autoencoder.config.latent_channels}; take both from one model"
        )
    guide = guide or GuideSettings(**unet.config.guide)
    encoders = load_image_encoders(place, image_encoder, len(guide.kinds))
    if guide_weights is None:
        projector = load_projector(place / "projector", guide, encoders[0], unet, guide_dropout)
    else:
        projector = start_from_guide_weights(
            guide_weights, guide, encoders[0], unet, guide_dropout or 0.0
        )
    components = Components(autoencoder, unet, scheduler, encoders, projector, guide)
    recompute_activations(components, gradient_checkpointing)
    return components


def recompute_activations(components: Components, recompute: bool) -> None:
    """Let the backward pass compute activations again, or keep them."""
    parts = [components.unet]
    # Of use to a loss on decoded frames; not every autoencoder can.
    if components.vae._supports_gradient_checkpointing:
        parts.append(components.vae)
    for part in parts:
        if recompute:
            part.enable_gradient_checkpointing(_compute_twice)
        else:
            part.disable_gradient_checkpointing()


def _compute_twice(module: Any, *inputs: Any) -> Any:
    """Compute a block again in the backward pass; nothing in it draws random numbers."""
    return checkpoint(module.__call__, *inputs, use_reentrant=False, preserve_rng_state=False)


def build_components(
    vae: str | Path,
    image_encoder: str | Path,
    unet: dict[str, Any],
    scheduler: SchedulerMixin,
    guide: GuideSettings,
    guide_dropout: float = 0.0,
) -> Components:
    """Put a random U-Net and random projectors on trained frozen parts.

    Args:
        vae: folder of the autoencoder.
        image_encoder: folder of the vision tower.
        unet: arguments of ``UNet2DConditionModel``; the channels in and out follow from the rest.
        scheduler: noise schedule.
        guide: guide settings.
        guide_dropout: training probability of replacing a guide by its null embedding.
    """
    autoencoder = load_vae(Path(vae))
    channels = autoencoder.config.latent_channels
    encoders = load_image_encoders(Path(image_encoder), image_encoder, len(guide.kinds))
    built = build_unet({**unet, "out_channels": channels}, guide, channels)
    projector = build_projector(guide, encoders[0], built, guide_dropout)
    return Components(autoencoder, built, scheduler, encoders, projector, guide)


def build_stable_diffusion(guide: GuideSettings, device: torch.device | str = "cpu") -> Components:
    """Build Stable Diffusion 1.5 with guides and ViT-L/14 without learnt weights, for measurements.

    How fast and how large a network is does not depend on what it has learnt.

    Args:
        guide: guide settings.
        device: where the weights are; ``meta`` takes no memory.
    """
    with torch.device(device):
        vae = diffusers.AutoencoderKL.from_config(VAE_CONFIG)
        unet = build_unet(UNET_CONFIG, guide, VAE_CONFIG["latent_channels"])
        tower = GuideEncoder(**tower_settings("ViT-L-14", "openai"))
        projector = build_projector(guide, tower, unet, dropout=0.0)
    for frozen in (vae, tower):
        frozen.requires_grad_(False).eval()
    encoders = (tower,) * len(guide.kinds)
    return Components(vae, unet, as_ddim(SCHEDULER_CONFIG), encoders, projector, guide)
