"""One code path from a folder to the parts of DiffMVR: shipped weights, SD-1.5, or a hub id.

A folder is laid out as Stable Diffusion's: ``vae/ unet/ scheduler/``, and for a guided model also
``image_encoder/ projector/`` and optionally ``image_encoder_2/``.  A fine-tuned model may leave the
frozen parts to its base, which ``base.json`` then names: ``{"base": "../tiny-base"}``.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
from diffusers import DDIMScheduler, SchedulerMixin

from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.projector import GuideProjector
from diffmvr.models.unet import build_unet, load_unet
from diffmvr.models.vae import Autoencoder

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


def load_components(
    base: str | Path,
    guide: GuideSettings | None = None,
    image_encoder: tuple[str, str | None] | str | Path | None = None,
    guide_dropout: float | None = None,
) -> Components:
    """Load a base and fit it to the guide settings.

    Args:
        base: a local folder, or a hub id such as ``stable-diffusion-v1-5/stable-diffusion-v1-5``.
        guide: what is wanted; None takes what the folder was saved with.
        image_encoder: for a base without ``image_encoder/``: (OpenCLIP architecture, weights file),
            or a folder that holds a saved tower.
        guide_dropout: training probability of replacing a guide by its null embedding; None keeps
            the saved one.

    Raises:
        FileNotFoundError: if the folder or one of its parts is missing.
        ValueError: if the parts do not fit each other.
    """
    folder = resolve_folder(base)
    vae = load_vae(part_folder(folder, "vae"))
    unet = load_unet(folder / "unet", guide)
    if unet.config.out_channels != vae.config.latent_channels:
        raise ValueError(
            f"{folder}: latent channels: the U-Net has {unet.config.out_channels}, the autoencoder "
            f"has {vae.config.latent_channels}; take both from one model"
        )
    guide = guide or GuideSettings(**unet.config.guide)
    encoders = _load_image_encoders(folder, image_encoder, len(guide.kinds))
    projector = _load_projector(folder / "projector", guide, encoders[0], unet, guide_dropout)
    scheduler = load_scheduler(part_folder(folder, "scheduler"))
    return Components(vae, unet, scheduler, encoders, projector, guide)


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
    encoders = _load_image_encoders(Path(image_encoder), image_encoder, len(guide.kinds))
    built = build_unet({**unet, "out_channels": channels}, guide, channels)
    projector = _build_projector(guide, encoders[0], built, guide_dropout)
    return Components(autoencoder, built, scheduler, encoders, projector, guide)


def part_folder(folder: Path, part: str) -> Path:
    """Return the folder of a part, in the model's folder or in that of its base."""
    reference = folder / "base.json"
    if (folder / part).is_dir() or not reference.is_file():
        return folder / part
    return (folder / json.loads(reference.read_text())["base"] / part).resolve()


def resolve_folder(base: str | Path) -> Path:
    """Return the local folder of a base, downloading a hub id once.

    Raises:
        FileNotFoundError: if a local path does not exist.
    """
    path = Path(base)
    if path.is_dir():
        return path
    looks_local = str(base).count("/") != 1 or str(base).startswith((".", "~", "/"))
    if looks_local:
        raise FileNotFoundError(
            f"no model folder at {path}; give a folder with unet/, vae/ and scheduler/, or a hub id"
        )
    log.info("fetching %s from the hub", base)
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "unet/*.safetensors", "vae/*.safetensors"]
    try:
        return Path(snapshot_download(str(base), allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"no model folder at {path}, and the hub gives no {str(base)!r}; give a folder with "
            "unet/, vae/ and scheduler/, or check the id and the network"
        ) from error


def load_vae(folder: Path) -> Any:
    """Load any diffusers autoencoder (its class is named in its ``config.json``).

    Raises:
        FileNotFoundError: if the folder holds none.
        ValueError: if the named class is not an image autoencoder of diffusers.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"no autoencoder in {folder}: config.json is missing; give a model folder with "
            "unet/, vae/ and scheduler/"
        )
    name = diffusers.AutoencoderKL.load_config(folder).get("_class_name", "AutoencoderKL")
    vae_class = getattr(diffusers, name, None) if name.startswith("Autoencoder") else None
    if vae_class is None:
        raise ValueError(f"{folder}: diffusers has no autoencoder class {name!r}")
    vae: Autoencoder = vae_class.from_pretrained(
        folder, use_safetensors=True, low_cpu_mem_usage=False
    )
    return vae.requires_grad_(False).eval()


def load_scheduler(folder: Path) -> SchedulerMixin:
    """Load the noise schedule; DDIM whatever sampler the base was saved with.

    ``clip_sample`` is set False: clipping is right for pixels and corrupts latents.
    """
    if not (folder / "scheduler_config.json").is_file():
        raise FileNotFoundError(
            f"no scheduler in {folder}: scheduler_config.json is missing; give a model folder "
            "with unet/, vae/ and scheduler/"
        )
    config = dict(DDIMScheduler.load_config(folder))
    config["clip_sample"] = False
    return DDIMScheduler.from_config(config)


def _load_image_encoders(
    folder: Path, source: tuple[str, str | None] | str | Path | None, guides: int
) -> tuple[GuideEncoder, ...]:
    own = part_folder(folder, "image_encoder")
    if source is None and own.is_dir():
        source = own
    if source is None:
        raise FileNotFoundError(
            f"no image_encoder/ in {folder}; name OpenCLIP weights with model.image_encoder"
        )
    if isinstance(source, str | Path):
        first = GuideEncoder.from_pretrained(source, use_safetensors=True, low_cpu_mem_usage=False)
    else:
        first = GuideEncoder.from_open_clip(*source)
    encoders = [first] * guides
    second = part_folder(folder, "image_encoder_2")
    if guides > 1 and second.is_dir():
        encoders[1] = GuideEncoder.from_pretrained(
            second, use_safetensors=True, low_cpu_mem_usage=False
        )
    for encoder in encoders:
        encoder.requires_grad_(False).eval()
    return tuple(encoders)


def _build_projector(
    guide: GuideSettings, encoder: GuideEncoder, unet: Any, dropout: float
) -> GuideProjector:
    tokens = encoder.num_tokens(guide.tokens)
    return GuideProjector(
        kinds=guide.kinds,
        token_width=encoder.token_width(guide.tokens),
        cross_attention_dim=unet.config.cross_attention_dim,
        num_input_tokens=tokens,
        num_tokens=guide.num_tokens if guide.tokens == "pooled" else tokens,
        dropout=dropout,
    )


def _load_projector(
    folder: Path, guide: GuideSettings, encoder: GuideEncoder, unet: Any, dropout: float | None
) -> GuideProjector:
    """Build the projector the guides need, and take every MLP the folder has for them."""
    saved = None
    if folder.is_dir():
        saved = GuideProjector.from_pretrained(
            folder, use_safetensors=True, low_cpu_mem_usage=False
        )
        dropout = saved.config.dropout if dropout is None else dropout
    projector = _build_projector(guide, encoder, unet, dropout or 0.0)
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
