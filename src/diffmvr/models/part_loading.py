"""The parts of a model, one by one: from a folder in diffusers layout, or from one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DDIMScheduler, SchedulerMixin, UNet2DConditionModel

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.base_checkpoint import part_folder, resolve_base
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.projector import GuideProjector
from diffmvr.models.stable_diffusion import (
    SCHEDULER_CONFIG,
    UNET_CONFIG,
    VAE_CONFIG,
    read_single_file,
)
from diffmvr.models.state_dicts import assign_state, load_pretrained
from diffmvr.models.unet import fit_unet
from diffmvr.models.vae import Autoencoder


def load_vae(folder: Path) -> Any:
    """Load any diffusers autoencoder (its class is named in its ``config.json``).

    Raises:
        FileNotFoundError: if the folder holds none.
        ValueError: if the named class is not an image autoencoder of diffusers, or the weights are
            not its own.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"no autoencoder in {folder}: config.json is missing; give a model folder with "
            "unet/, vae/ and scheduler/"
        )
    config = diffusers.AutoencoderKL.load_config(folder)
    vae: Autoencoder = load_pretrained(_vae_class(config, folder), folder)
    return vae.requires_grad_(False).eval()


def _vae_class(config: Mapping[str, Any], source: object) -> Any:
    name = config.get("_class_name", "AutoencoderKL")
    vae_class = getattr(diffusers, name, None) if name.startswith("Autoencoder") else None
    if vae_class is None:
        raise ValueError(f"{source}: diffusers has no autoencoder class {name!r}")
    return vae_class


def open_single_file(
    path: Path, guide: GuideSettings | None, configs: str | Path | None
) -> tuple[Any, Any, SchedulerMixin]:
    """Return autoencoder, U-Net and schedule of one file in the original layout."""
    if guide is None:
        raise ValueError(f"{path} holds a U-Net without guides; give the guide settings")
    unet_config, vae_config, scheduler = UNET_CONFIG, VAE_CONFIG, SCHEDULER_CONFIG
    if configs is not None:
        folder = resolve_base(configs)
        unet_config = UNet2DConditionModel.load_config(folder / "unet")
        vae_config = diffusers.AutoencoderKL.load_config(folder / "vae")
        scheduler = dict(DDIMScheduler.load_config(folder / "scheduler"))
    found = read_single_file(path, unet_config, vae_config)
    with torch.device("meta"):
        vae = _vae_class(vae_config, configs).from_config(vae_config)
    assign_state(vae, found.vae, f"{path} (autoencoder)")
    unet = fit_unet(
        {**unet_config, "in_channels": found.in_channels}, found.unet, guide, f"{path} (U-Net)"
    )
    return vae.requires_grad_(False).eval(), unet, as_ddim(scheduler)


def load_scheduler(folder: Path) -> SchedulerMixin:
    """Load the noise schedule; DDIM whatever sampler the base was saved with.

    ``clip_sample`` is set False: clipping is right for pixels and corrupts latents.
    """
    if not (folder / "scheduler_config.json").is_file():
        raise FileNotFoundError(
            f"no scheduler in {folder}: scheduler_config.json is missing; give a model folder "
            "with unet/, vae/ and scheduler/"
        )
    return as_ddim(DDIMScheduler.load_config(folder))


def as_ddim(config: Mapping[str, Any]) -> SchedulerMixin:
    """Return a noise schedule with the settings of any sampler; see ``load_scheduler``."""
    return DDIMScheduler.from_config({**config, "clip_sample": False})


def load_image_encoders(
    folder: Path, source: tuple[str, str | None] | str | Path | None, guides: int
) -> tuple[GuideEncoder, ...]:
    """Load one frozen tower per guide; see ``load_components``.

    Args:
        folder: of the model.
        source: what to take instead of its ``image_encoder/``.
        guides: how many.

    Raises:
        FileNotFoundError: if there is none.
    """
    own = part_folder(folder, "image_encoder")
    if source is None and own.is_dir():
        source = own
    if source is None:
        raise FileNotFoundError(
            f"no image_encoder/ in {folder}; name OpenCLIP weights with "
            "model.components.image_encoder=[NAME,WEIGHTS]"
        )
    if isinstance(source, str | Path):
        first = load_pretrained(GuideEncoder, _tower_folder(Path(source)))
    else:
        first = GuideEncoder.from_open_clip(*source)
    encoders = [first] * guides
    second = part_folder(folder, "image_encoder_2")
    if guides > 1 and second.is_dir():
        encoders[1] = load_pretrained(GuideEncoder, second)
    for encoder in encoders:
        encoder.requires_grad_(False).eval()
    return tuple(encoders)


def _tower_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise WeightsNotPresentError(
            f"weights not present: no image encoder in {folder}; give a folder that diffmvr saved, "
            "or OpenCLIP's weights as model.components.image_encoder=[NAME,FILE.safetensors]"
        )
    return folder


def build_projector(
    guide: GuideSettings, encoder: GuideEncoder, unet: Any, dropout: float
) -> GuideProjector:
    """Build a random projector from the tower's tokens to the U-Net's."""
    tokens = encoder.num_tokens(guide.tokens)
    return GuideProjector(
        kinds=guide.kinds,
        token_width=encoder.token_width(guide.tokens),
        cross_attention_dim=unet.config.cross_attention_dim,
        num_input_tokens=tokens,
        num_tokens=guide.num_tokens if guide.tokens == "pooled" else tokens,
        dropout=dropout,
    )


def load_projector(
    folder: Path, guide: GuideSettings, encoder: GuideEncoder, unet: Any, dropout: float | None
) -> GuideProjector:
    """Build the projector the guides need, and take every MLP the folder has for them."""
    saved = None
    if folder.is_dir():
        saved = load_pretrained(GuideProjector, folder)
        dropout = saved.config.dropout if dropout is None else dropout
    projector = build_projector(guide, encoder, unet, dropout or 0.0)
    if saved is None:
        return projector
    own, offered = projector.state_dict(), saved.state_dict()
    first = saved.config.kinds[0]
    for key in own:
        module, kind, *rest = key.split(".")
        for source in (kind, first):
            candidate = offered.get(".".join([module, source, *rest]))
            if candidate is not None and candidate.shape == own[key].shape:
                own[key] = candidate
                break
    projector.load_state_dict(own)
    return projector
