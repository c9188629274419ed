"""The parts of a model, one by one: from a folder in diffusers layout, or from one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DDIMScheduler, SchedulerMixin, UNet2DConditionModel

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.base_checkpoint import part_folder, resolve_base
from diffmvr.models.config_files import building, read_config
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
from diffmvr.models.vae import compression

MODEL_SETTINGS = "config.json"
SCHEDULE_SETTINGS = "scheduler_config.json"


def load_vae(folder: Path) -> Any:
    """Load any diffusers autoencoder (its class is named in its ``config.json``).

    Raises:
        FileNotFoundError: if the folder holds none.
        ValueError: if the named class is not an image autoencoder of diffusers, or the weights are
            not its own.
    """
    if not (folder / MODEL_SETTINGS).is_file():
        raise FileNotFoundError(
            f"no autoencoder in {folder}: config.json is missing; give a model folder with "
            "unet/, vae/ and scheduler/"
        )
    settings = folder / MODEL_SETTINGS
    named = read_config(settings, None).get("_class_name", "AutoencoderKL")
    vae: Any = load_pretrained(_vae_class(named, settings), folder)
    return vae.requires_grad_(False).eval()


def load_vae_like(folder: Path, own: Any) -> Any:
    """Load an autoencoder that takes the place of a model's own.

    Args:
        folder: in diffusers layout, e.g. TAESD's (``AutoencoderTiny``).
        own: the model's own autoencoder.

    Raises:
        FileNotFoundError: if the folder holds none.
        ValueError: if its latents are of another shape, or see ``load_vae``.
    """
    if not (folder / MODEL_SETTINGS).is_file():
        raise WeightsNotPresentError(
            f"weights not present: no autoencoder in {folder}; for quick previews with Stable "
            "Diffusion 1.5 run `hf download madebyollin/taesd config.json "
            f"diffusion_pytorch_model.safetensors --local-dir {folder}`"
        )
    other = load_vae(folder)
    wanted, got = ((one.config.latent_channels, compression(one.config)) for one in (own, other))
    if wanted != got:
        raise ValueError(
            f"vae: {folder}: expected latents of {wanted[0]} channels, {wanted[1]} times smaller "
            f"than the picture, as the base's are, got {got[0]} channels, {got[1]} times smaller; "
            "give an autoencoder of the same latents"
        )
    return other


def _vae_class(name: Any, source: object) -> Any:
    is_one = isinstance(name, str) and name.startswith("Autoencoder")
    vae_class = getattr(diffusers, name, None) if is_one else None
    if vae_class is None:
        raise ValueError(
            f"{source}: _class_name: expected an autoencoder of diffusers, got {name!r}"
        )
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
        unet_config = read_config(folder / "unet" / MODEL_SETTINGS, UNet2DConditionModel)
        vae_config = read_config(folder / "vae" / MODEL_SETTINGS, diffusers.AutoencoderKL)
        scheduler = read_config(folder / "scheduler" / SCHEDULE_SETTINGS, DDIMScheduler)
    found = read_single_file(path, unet_config, vae_config)
    with building("autoencoder", configs), torch.device("meta"):
        named = vae_config.get("_class_name", "AutoencoderKL")
        vae = _vae_class(named, configs).from_config(vae_config)
    assign_state(vae, found.vae, f"{path} (autoencoder)")
    unet = fit_unet(
        {**unet_config, "in_channels": found.in_channels}, found.unet, guide, f"{path} (U-Net)"
    )
    return vae.requires_grad_(False).eval(), unet, as_ddim(scheduler)


def load_scheduler(folder: Path) -> SchedulerMixin:
    """Load the noise schedule; DDIM whatever sampler the base was saved with.

    ``clip_sample`` is set False: clipping is right for pixels and corrupts latents.
    """
    settings = folder / SCHEDULE_SETTINGS
    if not settings.is_file():
        raise FileNotFoundError(
            f"no scheduler in {folder}: scheduler_config.json is missing; give a model folder "
            "with unet/, vae/ and scheduler/"
        )
    config = read_config(settings, DDIMScheduler)
    with building("noise schedule", settings):
        scheduler = as_ddim(config)
    if not bool(
        (scheduler.betas.isfinite() & (scheduler.betas >= 0) & (scheduler.betas <= 1)).all()
    ):
        raise ValueError(
            f"{settings}: beta_start, beta_end: expected a schedule of values in [0, 1], got "
            f"{config.get('beta_start')} to {config.get('beta_end')}"
        )
    return scheduler


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
    if not (folder / MODEL_SETTINGS).is_file():
        raise WeightsNotPresentError(
            f"weights not present: no image encoder in {folder}; give a folder that diffmvr saved, "
            "or OpenCLIP's weights as model.components.image_encoder=[NAME,FILE.safetensors]"
        )
    return folder


def build_projector(
    guide: GuideSettings,
    encoder: GuideEncoder,
    unet: Any,
    dropout: float,
    like: GuideProjector | None = None,
) -> GuideProjector:
    """Build a random projector from the tower's tokens to the U-Net's.

    Args:
        guide: guide settings.
        encoder: the tower.
        unet: U-Net with fused attention.
        dropout: training probability of replacing a guide by its null embedding.
        like: whose MLPs to build; ``None``: the default ones.
    """
    layers = {}
    if like is not None:
        layers = {name: like.config[name] for name in ("hidden_width", "norm_input")}
    tokens = encoder.num_tokens(guide.tokens)
    return GuideProjector(
        kinds=guide.kinds,
        token_width=encoder.token_width(guide.tokens),
        cross_attention_dim=unet.config.cross_attention_dim,
        num_input_tokens=tokens,
        num_tokens=guide.num_tokens if guide.tokens == "pooled" else tokens,
        dropout=dropout,
        **layers,
    )


def load_projector(
    folder: Path, guide: GuideSettings, encoder: GuideEncoder, unet: Any, dropout: float | None
) -> GuideProjector:
    """Build the projector the guides need, and take every MLP the folder has for them."""
    saved = None
    if folder.is_dir():
        saved = load_pretrained(GuideProjector, folder)
        dropout = saved.config.dropout if dropout is None else dropout
    projector = build_projector(guide, encoder, unet, dropout or 0.0, saved)
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
