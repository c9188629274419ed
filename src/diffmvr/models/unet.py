"""The denoising U-Net: loaded from any base, widened, and given its guides (decisions 2, 8, 20).

c latent channels, G guides.  Input channels in order: noisy latents (c), mask (1), latents of the
masked frame (c), and with the ``latents`` pathway the latents of each guide (G·c).
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import ModelMixin, UNet2DConditionModel
from torch import Tensor

from diffmvr.models.config_files import building, read_config
from diffmvr.models.dual_guide_attention import guide_processors, install_guide_attention
from diffmvr.models.fusion import build_fusion
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.state_dicts import assign_state, check_state, find_weights
from diffmvr.own_code import check_trusted, load_own_class, part_name
from diffmvr.tensor_files import read_tensors

log = logging.getLogger(__name__)

_CONV_IN = "conv_in.weight"


def build_unet(config: dict[str, Any], guide: GuideSettings, latent_channels: int) -> Any:
    """Build a U-Net with fused attention and random weights.

    Args:
        config: arguments of ``UNet2DConditionModel``; ``in_channels`` is set here.  ``backbone``
            names another class as ``module:Class``, that is built and called as that one, and whose
            cross-attention layers are diffusers'.
        guide: the guides and how they are fused.
        latent_channels: c.
    """
    arguments = {**_arguments(config), "in_channels": guide.in_channels(latent_channels)}
    unet = _build(config, arguments)
    install_guide_attention(unet, guide.kinds, guide.fusion, guide.scales)
    unet.register_to_config(guide=guide.to_dict())
    return unet


def _build(config: Mapping[str, Any], arguments: dict[str, Any]) -> Any:
    """Build the network that settings name, without guides."""
    own = config.get("backbone")
    if own is None:
        return UNet2DConditionModel(**arguments)
    chosen = load_own_class("model.components.unet.backbone", own, ModelMixin)
    unet = chosen(**arguments)
    unet.register_to_config(backbone=own)
    return unet


class GuidedUNet(UNet2DConditionModel):
    """A saved guided U-Net that diffusers' own loader restores whole.

    Plain diffusers drops the weights of attention processors that are not installed when it loads;
    here they are installed from the settings that were saved with them.
    """

    @classmethod
    def from_config(
        cls, config: Any = None, return_unused_kwargs: bool = False, **kwargs: Any
    ) -> Any:
        """Build from ``config.json``, guides included; see diffusers' ``ConfigMixin``."""
        settings = dict(config)
        guide = GuideSettings.from_saved(settings.pop("guide"), "the U-Net's settings")
        built = super().from_config(settings, return_unused_kwargs, **kwargs)
        unet = built[0] if return_unused_kwargs else built
        install_guide_attention(unet, guide.kinds, guide.fusion, guide.scales)
        unet.register_to_config(guide=guide.to_dict())
        return built


def _arguments(config: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``UNet2DConditionModel`` in a ``config.json``."""
    ours = ("guide", "backbone")
    return {k: v for k, v in config.items() if not k.startswith("_") and k not in ours}


def load_unet(folder: Path, guide: GuideSettings | None = None) -> Any:
    """Load a U-Net from a diffusers ``unet`` folder, guided or not, and fit it to ``guide``.

    Args:
        folder: holds ``config.json`` and safetensors weights.
        guide: what is wanted; None takes what the folder was saved with.

    Raises:
        FileNotFoundError: if the folder or its weights are missing.
        ValueError: if the weights belong to another architecture, or ``guide`` is None and the
            folder holds an unguided U-Net.
    """
    settings = folder / "config.json"
    if not settings.is_file():
        raise FileNotFoundError(
            f"no U-Net in {folder}: config.json is missing; give a model folder with unet/, vae/ "
            "and scheduler/"
        )
    config = read_config(settings, UNet2DConditionModel)
    if guide is None:
        if config.get("guide") is None:
            raise ValueError(f"{folder} holds a U-Net without guides; give the guide settings")
        guide = GuideSettings.from_saved(config["guide"], settings)
    return fit_unet(config, read_tensors(find_weights(folder)), guide, settings)


def fit_unet(
    config: dict[str, Any], state: dict[str, Tensor], guide: GuideSettings, source: object
) -> Any:
    """Make a guided U-Net of the weights of a base.

    A base without guides (Stable Diffusion 1.5, 4 or 9 channels) is widened with zero-initialised
    input channels, and every guide's keys and values start from the base's own.  A guided base
    gives each guide what it has for that guide; a new guide starts from the base's first.  At step
    0 a widened base therefore computes what the base computed; only where differences are to be
    predicted (``guide.residual``) by a base that predicts whole frames, its output starts at zero.

    Args:
        config: the base's settings, as in its ``config.json``.
        state: the base's weights, of any floating type.
        guide: what is wanted.
        source: where the base is from, for messages.

    Raises:
        ValueError: if the weights belong to another architecture, or the settings to none.
    """
    saved = config.get("guide")
    base = None if saved is None else GuideSettings.from_saved(saved, source)
    check_trusted(config.get("backbone"), source)
    # Without memory, and time, for random weights that would be thrown away.
    with building("U-Net", source), torch.device("meta"):
        latent_channels = config["out_channels"]
        own = (
            _build(config, _arguments(config))
            if base is None
            else build_unet(config, base, latent_channels)
        )
        unet = build_unet(config, guide, latent_channels)
    state = _renamed(state)
    check_state(own.state_dict(), state, source)
    base_kinds = base.kinds if base else ()
    state[_CONV_IN] = _fit_conv_in(state[_CONV_IN], latent_channels, base_kinds, guide)
    assign_state(unet, _fit_guides(state, unet, base_kinds, guide), source)
    if guide.uses_residual and not (base and base.uses_residual):
        # A base that predicts whole frames knows nothing of differences: begin with none.
        torch.nn.init.zeros_(unet.conv_out.weight)
        torch.nn.init.zeros_(unet.conv_out.bias)
    return unet


def _fit_conv_in(
    weight: Tensor, c: int, base_kinds: tuple[str, ...], guide: GuideSettings
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
    result = torch.zeros(len(weight), sum(wanted.values()), *weight.shape[2:])
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
    for layer, _ in guide_processors(unet):
        for projection in ("to_k", "to_v"):
            if base_kinds:
                stem = f"{layer}.processor.{projection}"
                sources = {
                    kind: state.pop(f"{stem}.{part_name(kind)}.weight") for kind in base_kinds
                }
                first = sources[base_kinds[0]]
            else:
                sources, first = {}, state.pop(f"{layer}.{projection}.weight")
            for kind in guide.kinds:
                key = f"{layer}.processor.{projection}.{part_name(kind)}.weight"
                state[key] = sources.get(kind, first)
    return _fit_fusions(state, unet, base_kinds, guide)


def _fit_fusions(
    state: dict[str, Tensor], unet: Any, base_kinds: tuple[str, ...], guide: GuideSettings
) -> dict[str, Tensor]:
    """Give every fusion its own parameters: those of a base with the same, else as it starts."""
    for layer, processor in guide_processors(unet):
        stem = f"{layer}.processor.fusion."
        saved = {key: state.pop(key) for key in list(state) if key.startswith(stem)}
        wanted = {stem + name: value for name, value in processor.fusion.state_dict().items()}
        known = base_kinds == guide.kinds and {k: v.shape for k, v in saved.items()} == {
            k: v.shape for k, v in wanted.items()
        }
        if wanted and not known:
            # The network is on the meta device.  What is drawn later does not depend on this.
            with torch.random.fork_rng(devices=[]):
                fresh = build_fusion(
                    guide.fusion, processor.channels, guide.kinds, guide.scales
                ).state_dict()
            saved = {stem + name: value for name, value in fresh.items()}
        state |= saved if wanted else {}
    return state


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under today's names; a fusion's had others before version 0.2."""
    old = {
        ".processor.fusion_logits": ".processor.fusion.logits",
        ".processor.gate.": ".processor.fusion.gate.",
    }
    for before, now in old.items():
        state = {key.replace(before, now): value for key, value in state.items()}
    return state
