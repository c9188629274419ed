"""The denoising U-Net: loaded from any base, widened, and given its guides (decisions 2, 8, 20).

c latent channels, G guides.  Input channels in order: noisy latents (c), mask (1), latents of the
masked frame (c), and with the ``latents`` pathway the latents of each guide (G·c).
"""

import logging
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from diffmvr.models.dual_guide_attention import guide_processors, install_guide_attention
from diffmvr.models.guide_settings import GuideSettings

log = logging.getLogger(__name__)

WEIGHTS_NAMES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")
_CONV_IN = "conv_in.weight"


def build_unet(config: dict[str, Any], guide: GuideSettings, latent_channels: int) -> Any:
    """Build a U-Net with fused attention and random weights.

    Args:
        config: arguments of ``UNet2DConditionModel``; ``in_channels`` is set here.
        guide: the guides and how they are fused.
        latent_channels: c.
    """
    arguments = {key: value for key, value in config.items() if not key.startswith("_")}
    arguments.pop("guide", None)
    arguments["in_channels"] = guide.in_channels(latent_channels)
    unet = UNet2DConditionModel(**arguments)
    install_guide_attention(unet, guide.kinds, guide.fusion, guide.scales)
    unet.register_to_config(guide=guide.to_dict())
    return unet


def load_unet(folder: Path, guide: GuideSettings | None = None) -> Any:
    """Load a U-Net from a diffusers ``unet`` folder, guided or not, and fit it to ``guide``.

    A base without guides (Stable Diffusion 1.5, 4 or 9 channels) is widened with zero-initialised
    input channels, and every guide's keys and values start from the base's own.  A guided base
    gives each guide what it has for that guide; a new guide starts from the base's first.  At step
    0 a widened base therefore computes what the base computed; only where differences are to be
    predicted (``guide.residual``) by a base that predicts whole frames, its output starts at zero.

    Args:
        folder: holds ``config.json`` and safetensors weights.
        guide: what is wanted; None takes what the folder was saved with.

    Raises:
        FileNotFoundError: if the folder or its weights are missing.
        ValueError: if the weights belong to another architecture, or ``guide`` is None and the
            folder holds an unguided U-Net.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"no U-Net in {folder}: config.json is missing; give a model folder with unet/, vae/ "
            "and scheduler/"
        )
    config = UNet2DConditionModel.load_config(folder)
    saved = config.get("guide")
    if guide is None:
        if saved is None:
            raise ValueError(f"{folder} holds a U-Net without guides; give the guide settings")
        guide = GuideSettings(**saved)
    base_kinds = GuideSettings(**saved).kinds if saved else ()
    state = load_file(find_weights(folder))
    latent_channels = config["out_channels"]

    unet = build_unet(config, guide, latent_channels)
    try:
        state[_CONV_IN] = _fit_conv_in(state[_CONV_IN], unet, latent_channels, base_kinds, guide)
        unet.load_state_dict(_fit_guides(state, unet, base_kinds, guide), strict=True)
    except KeyError as error:
        raise ValueError(f"{folder}: weights of another architecture: no {error}") from error
    except RuntimeError as error:
        raise ValueError(f"{folder}: weights of another architecture: {error}") from error
    if guide.uses_residual and not (saved and GuideSettings(**saved).uses_residual):
        # A base that predicts whole frames knows nothing of differences: begin with none.
        torch.nn.init.zeros_(unet.conv_out.weight)
        torch.nn.init.zeros_(unet.conv_out.bias)
    return unet


def find_weights(folder: Path) -> Path:
    """Return the safetensors file of a diffusers model folder.

    Raises:
        FileNotFoundError: if there is none; pickled ``.bin`` weights are not read.
    """
    for name in WEIGHTS_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"no safetensors weights in {folder}; expected {WEIGHTS_NAMES[0]} "
        "(pickled .bin weights are not read: convert them to safetensors)"
    )


def _fit_conv_in(
    weight: Tensor, unet: Any, c: int, base_kinds: tuple[str, ...], guide: GuideSettings
) -> Tensor:
    """Carry the input convolution over block by block; blocks the base lacks start at zero."""
    wanted = _input_blocks(c, guide.kinds if guide.uses_latents else ())
    known = _input_blocks(c, base_kinds)
    offered, start = {}, 0
    for name, size in known.items():
        if start < weight.shape[1]:
            offered[name] = weight[:, start : start + size]
            start += size
    if start != weight.shape[1]:
        raise ValueError(
            f"conv_in: {weight.shape[1]} input channels fit no known layout "
            f"(blocks {known}); is this a U-Net over {c}-channel latents?"
        )
    dropped = [name for name in offered if name not in wanted]
    if dropped:
        log.info("U-Net input: the base's %s channels are left out", ", ".join(dropped))
    result = torch.zeros_like(unet.conv_in.weight)
    start = 0
    for name, size in wanted.items():
        if name in offered:
            result[:, start : start + size] = offered[name]
        start += size
    return result


def _input_blocks(c: int, guides: tuple[str, ...]) -> dict[str, int]:
    return {"noisy": c, "mask": 1, "masked": c} | {f"guide {kind}": c for kind in guides}


def _fit_guides(
    state: dict[str, Tensor], unet: Any, base_kinds: tuple[str, ...], guide: GuideSettings
) -> dict[str, Tensor]:
    """Give every guide of every layer its keys and values from what the base has."""
    state = dict(state)
    own = unet.state_dict()
    for layer, _ in guide_processors(unet):
        for projection in ("to_k", "to_v"):
            if base_kinds:
                stem = f"{layer}.processor.{projection}"
                sources = {kind: state.pop(f"{stem}.{kind}.weight") for kind in base_kinds}
                first = sources[base_kinds[0]]
            else:
                sources, first = {}, state.pop(f"{layer}.{projection}.weight")
            for kind in guide.kinds:
                key = f"{layer}.processor.{projection}.{kind}.weight"
                state[key] = sources.get(kind, first)
        # The fusion's own parameters are taken when the base has the same, else start fresh.
        for name in ("fusion_logits", "gate.weight", "gate.bias"):
            key = f"{layer}.processor.{name}"
            saved = state.pop(key, None)
            if key in own:
                state[key] = saved if saved is not None and base_kinds == guide.kinds else own[key]
    return state
