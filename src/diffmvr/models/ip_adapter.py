"""Every guide starts from IP-Adapter's full-face weights (decisions 25).

IP-Adapter (Ye et al. 2023, arXiv:2308.06721) in its full-face variant for Stable Diffusion 1.5 is
built as the paper's guides are: the tokens of OpenCLIP ViT-H/14 before its last block pass an MLP,
and every cross-attention layer has keys and values of their own for them.  Started from it, a base
that knows text alone is an image-guided one before the first step.  Unlike IP-Adapter, the guides
replace text attention here.

The file holds, p being the tower's token width, p' the context's and C a layer's:
``image_proj.proj.0`` Linear p → h, ``image_proj.proj.2`` Linear h → p' with a GELU between them,
``image_proj.proj.3`` LayerNorm p', and for layer n ``ip_adapter.{n}.to_k_ip`` and
``ip_adapter.{n}.to_v_ip``, ``[C, p']``.  n counts all attention layers as diffusers'
``unet.attn_processors`` lists them; self-attention has the even numbers.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.dual_guide_attention import DualGuideAttnProcessor, guide_processors
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.projector import GuideProjector
from diffmvr.models.state_dicts import PICKLED, assign_state, check_state
from diffmvr.own_code import part_name
from diffmvr.parsing import user_path
from diffmvr.tensor_files import read_tensors

ADAPTER = "model.components.guide_weights"
FILE = "models/ip-adapter-full-face_sd15.safetensors"
REMEDY = f"`hf download h94/IP-Adapter {FILE} --local-dir weights/ip-adapter`"
TOWER = "model.components.image_encoder=[ViT-H-14,laion2b_s32b_b79k]"

_PROJECTION = "image_proj."
# Places in the MLP of a ``GuideProjector`` without an input norm, and its norm.
_PLACES = {"proj.0": "mlp.{kind}.1", "proj.2": "mlp.{kind}.3", "proj.3": "norm.{kind}"}
_OTHERS = {
    "image_proj.latents": "IP-Adapter Plus",
    "image_proj.proj.weight": "plain IP-Adapter",
    "image_proj.perceiver_resampler.proj_in.weight": "IP-Adapter FaceID Plus",
    "image_proj.norm.weight": "IP-Adapter FaceID",
}


def check_guide_settings(guide: GuideSettings) -> None:
    """Require guides that such weights have an effect on.

    Raises:
        ValueError: if the guides' tokens do not reach the U-Net, or are not those of patches.
    """
    if not guide.uses_attention:
        raise ValueError(
            f"{ADAPTER}: guide.pathway={guide.pathway} has no attention that the weights could be "
            "of; give guide.pathway=attention or both, or leave the weights out"
        )
    if guide.tokens != "patch":
        raise ValueError(
            f"{ADAPTER}: the weights are of class and patch tokens, got "
            f"guide.tokens={guide.tokens}; give guide.tokens=patch"
        )


def read_guide_weights(file: str | Path) -> dict[str, Tensor]:
    """Read a file in the full-face layout.

    Args:
        file: ``ip-adapter-full-face_sd15.safetensors`` or another of its layout.

    Returns:
        The weights by the file's own names.

    Raises:
        WeightsNotPresentError: if there is no such file; with the command that brings it.
        ValueError: if it is pickled, damaged, or of another layout; with the variant, if known.
    """
    path = user_path(file)
    if path.suffix in PICKLED:
        raise ValueError(
            f"{ADAPTER}: {path}: pickled {path.suffix} weights are not read, because a pickle can "
            f"run code; the same weights are published as safetensors: {REMEDY}"
        )
    if not path.is_file():
        raise WeightsNotPresentError(f"weights not present: {path}; run {REMEDY}")
    state = read_tensors(path)
    first = state.get(f"{_PROJECTION}proj.0.weight")
    if f"{_PROJECTION}proj.3.weight" not in state or first is None or first.ndim != 2:
        got = next(
            (name for key, name in _OTHERS.items() if key in state),
            f"names such as {next(iter(state))!r}",
        )
        raise ValueError(
            f"{ADAPTER}: {path}: expected IP-Adapter's full-face layout "
            f"({_PROJECTION}proj.0, .2 and .3, ip_adapter.1.to_k_ip …), got {got}; run {REMEDY}"
        )
    return state


def guide_weight_shapes(
    encoder_width: int, hidden_width: int, unet: Any, guide: GuideSettings
) -> dict[str, Tensor]:
    """Return what a file has to hold for a U-Net, as tensors without memory.

    Args:
        encoder_width: p.
        hidden_width: h.
        unet: U-Net with fused attention.
        guide: its guides.
    """
    context = unet.config.cross_attention_dim
    shapes = {
        "proj.0.weight": (hidden_width, encoder_width),
        "proj.0.bias": (hidden_width,),
        "proj.2.weight": (context, hidden_width),
        "proj.2.bias": (context,),
        "proj.3.weight": (context,),
        "proj.3.bias": (context,),
    }
    expected = {f"{_PROJECTION}{name}": shape for name, shape in shapes.items()}
    for number, processor in _numbered(unet):
        projection: Any = processor.to_k[part_name(guide.kinds[0])]
        channels = projection.out_features
        for part in ("k", "v"):
            expected[f"ip_adapter.{number}.to_{part}_ip.weight"] = (channels, context)
    return {name: torch.empty(shape, device="meta") for name, shape in expected.items()}


def start_from_guide_weights(
    file: str | Path, guide: GuideSettings, encoder: GuideEncoder, unet: Any, dropout: float
) -> GuideProjector:
    """Give every guide the weights' keys and values, and return the projectors they belong to.

    At this point the attention of guide g is IP-Adapter's attention to that picture, and a guide
    that does not exist is what IP-Adapter is trained to take for none: a picture of the tower's
    mean colour.

    Args:
        file: see ``read_guide_weights``.
        guide: guide settings.
        encoder: the tower; its tokens are p wide.
        unet: U-Net with fused attention; changed.
        dropout: training probability of replacing a guide by its null embedding.

    Raises:
        WeightsNotPresentError, ValueError: see ``read_guide_weights``; also if a weight is
            missing, unknown or of another shape, with its name.
    """
    check_guide_settings(guide)
    state = read_guide_weights(file)
    path, width = user_path(file), encoder.token_width(guide.tokens)
    hidden, offered = state[f"{_PROJECTION}proj.0.weight"].shape
    if offered != width:
        raise ValueError(
            f"{ADAPTER}: {path}: the weights are of tokens of width {offered}, the image encoder "
            f"gives {width}; for those of width 1280 give {TOWER}"
        )
    check_state(guide_weight_shapes(width, hidden, unet, guide), state, path)

    tokens = encoder.num_tokens(guide.tokens)
    projector = GuideProjector(
        kinds=guide.kinds,
        token_width=width,
        cross_attention_dim=unet.config.cross_attention_dim,
        num_input_tokens=tokens,
        num_tokens=tokens,
        dropout=dropout,
        hidden_width=hidden,
        norm_input=False,
    )
    own = projector.state_dict()
    names = [part_name(kind) for kind in guide.kinds]
    for name in names:
        for theirs, ours in _PLACES.items():
            for part in ("weight", "bias"):
                own[f"{ours.format(kind=name)}.{part}"] = state[f"{_PROJECTION}{theirs}.{part}"]
        own[f"position.{name}"] = torch.zeros(own[f"position.{name}"].shape)
    assign_state(projector, own, path)
    with torch.no_grad():
        blank = (2 * encoder.mean - 1).expand(1, 3, *[encoder.config.image_size] * 2)
        nothing = encoder(blank, guide.tokens)
        exists = torch.ones(1, len(guide.kinds), dtype=torch.bool)
        null = projector.eval()([nothing] * len(guide.kinds), exists)
        for name, value in zip(names, null, strict=True):
            projector.null[name].copy_(value)
    for number, processor in _numbered(unet):
        for name in names:
            for part, source in (("k", processor.to_k), ("v", processor.to_v)):
                weight = state[f"ip_adapter.{number}.to_{part}_ip.weight"]
                assign_state(source[name], {"weight": weight}, path)
    return projector.train()


def _numbered(unet: Any) -> list[tuple[int, DualGuideAttnProcessor]]:
    """Return the fused attention layers with their numbers among all attention layers."""
    numbers = {name: number for number, name in enumerate(unet.attn_processors)}
    return [(numbers[f"{name}.processor"], layer) for name, layer in guide_processors(unet)]
