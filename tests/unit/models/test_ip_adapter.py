"""Guides that start from IP-Adapter's full-face weights, against diffusers' own IP-Adapter."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.helpers.tiny import CROSS_ATTENTION_DIM, plain_unet, tiny_scheduler
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.components import load_components
from diffmvr.models.dual_guide_attention import set_guide_scales
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.ip_adapter import guide_weight_shapes
from diffmvr.models.stable_diffusion import UNET_CONFIG
from diffmvr.models.unet import build_unet
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline

FRAMES, TEXT_TOKENS = 2, 7
Write = Callable[[dict[str, Tensor]], Path]


@pytest.fixture
def base(frozen_parts: Path, tmp_path: Path) -> Path:
    """A folder as Stable Diffusion's, and a tower."""
    folder = tmp_path / "base"
    shutil.copytree(frozen_parts, folder)
    plain_unet(4).save_pretrained(folder / "unet")
    tiny_scheduler("epsilon").save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture
def weights(base: Path, tmp_path: Path) -> Path:
    """Random weights in the real layout, for the small U-Net and tower."""
    unet = plain_unet(4)
    width = load_components(base, GuideSettings()).image_encoders[0].config.width
    draw = torch.Generator().manual_seed(3)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw) * 0.3

    state = {
        "image_proj.proj.0.weight": some(width, width),
        "image_proj.proj.0.bias": some(width),
        "image_proj.proj.2.weight": some(CROSS_ATTENTION_DIM, width),
        "image_proj.proj.2.bias": some(CROSS_ATTENTION_DIM),
        "image_proj.proj.3.weight": 1 + some(CROSS_ATTENTION_DIM),
        "image_proj.proj.3.bias": some(CROSS_ATTENTION_DIM),
    }
    for number, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            attention = unet.get_submodule(name.removesuffix(".processor"))
            for part in ("k", "v"):
                state[f"ip_adapter.{number}.to_{part}_ip.weight"] = some(
                    attention.inner_dim, CROSS_ATTENTION_DIM
                )
    save_file(state, tmp_path / "full-face.safetensors")
    return tmp_path / "full-face.safetensors"


@pytest.fixture
def changed(weights: Path, tmp_path: Path) -> Write:
    """Writes the same file with other or, for an empty tensor, without some weights."""

    def write(changes: dict[str, Tensor]) -> Path:
        state = {k: v for k, v in {**load_file(weights), **changes}.items() if v.numel()}
        save_file(state, tmp_path / "changed.safetensors")
        return tmp_path / "changed.safetensors"

    return write


def by_diffusers(file: Path, latents: Tensor, tokens: Tensor) -> Tensor:
    """What diffusers' U-Net predicts with these weights and a text that says nothing."""
    state: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, value in load_file(file).items():
        part, _, rest = name.partition(".")
        state[part][rest] = value
    unet = plain_unet(4)
    unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    text = torch.zeros(len(latents), TEXT_TOKENS, CROSS_ATTENTION_DIM)
    pictures = {"image_embeds": [tokens[:, None]]}
    predicted: Tensor = unet(latents, 10, text, added_cond_kwargs=pictures).sample
    return predicted


@torch.no_grad()
def test_each_guide_begins_as_ip_adapters_image_prompt(base: Path, weights: Path) -> None:
    components = load_components(base, GuideSettings(), guide_weights=weights)
    unet, encoder = components.unet.eval(), components.image_encoders[0]
    draw = torch.Generator().manual_seed(1)
    latents = torch.randn(FRAMES, 4, 8, 8, generator=draw)
    images = torch.rand(2, FRAMES, 3, 32, 32, generator=draw) * 2 - 1
    tokens = torch.stack([encoder(one, "patch") for one in images])
    context = components.projector.eval()(tokens, torch.ones(FRAMES, 2, dtype=torch.bool))
    # The mask and the masked frame have weights of zero yet.
    frames = torch.cat([latents, torch.randn(FRAMES, 5, 8, 8, generator=draw)], dim=1)
    predictions = []
    for guide, scales in enumerate([(1.0, 0.0), (0.0, 1.0)]):
        set_guide_scales(unet, scales)
        ours = unet(frames, 10, context).sample
        theirs = by_diffusers(weights, latents, tokens[guide])
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        predictions.append(ours)
    # The pictures do count.
    assert (predictions[0] - predictions[1]).abs().max() > 1e-4


@torch.no_grad()
def test_a_guide_that_does_not_exist_is_a_picture_of_the_mean_colour(
    base: Path, weights: Path
) -> None:
    components = load_components(base, GuideSettings(), guide_weights=weights)
    encoder, projector = components.image_encoders[0], components.projector.eval()
    mean = encoder.mean.expand(1, 3, 32, 32) * 2 - 1
    tokens = torch.stack([encoder(mean, "patch")] * 2)
    shown = projector(tokens, torch.ones(1, 2, dtype=torch.bool))
    missing = projector(torch.rand_like(tokens), torch.zeros(1, 2, dtype=torch.bool))
    for one, other in zip(shown, missing, strict=True):
        torch.testing.assert_close(one, other)


def test_everything_can_be_trained_and_saved(base: Path, weights: Path, tmp_path: Path) -> None:
    components = load_components(base, GuideSettings(), guide_weights=weights, guide_dropout=0.2)
    assert components.projector.config.dropout == 0.2 and components.projector.training
    parts = (components.projector, components.unet)
    assert all(p.requires_grad for part in parts for p in part.parameters())
    DiffMVRPipeline.from_components(components).save_pretrained(tmp_path / "saved")
    again = load_components(tmp_path / "saved")
    for mine, theirs in zip(parts, (again.projector, again.unet), strict=True):
        saved = theirs.state_dict()
        assert saved.keys() == mine.state_dict().keys()
        assert all(torch.equal(saved[name], value) for name, value in mine.state_dict().items())
    with pytest.raises(ValueError, match=r"guide_weights: .*saved has guides of its own"):
        load_components(tmp_path / "saved", guide_weights=weights)


def test_the_layers_of_stable_diffusion_are_numbered_as_published() -> None:
    with torch.device("meta"):
        unet = build_unet(UNET_CONFIG, GuideSettings(), 4)
    shapes = guide_weight_shapes(1280, 1280, unet, GuideSettings())
    assert len(shapes) == 6 + 2 * 16
    assert tuple(shapes["image_proj.proj.0.weight"].shape) == (1280, 1280)
    assert tuple(shapes["image_proj.proj.2.weight"].shape) == (768, 1280)
    # Down, up, and the middle last.
    channels = [320] * 2 + [640] * 2 + [1280] * 5 + [640] * 3 + [320] * 3 + [1280]
    for place, expected in enumerate(channels):
        for part in ("k", "v"):
            name = f"ip_adapter.{2 * place + 1}.to_{part}_ip.weight"
            assert tuple(shapes[name].shape) == (expected, 768), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ip_adapter.1.to_k_ip.weight": torch.zeros(32, 5)},
            r"1 of other shapes \(the first: ip_adapter\.1\.to_k_ip\.weight: \(32, 5\), not \(32,",
        ),
        (
            {"image_proj.proj.2.bias": torch.zeros(0)},
            r"1 missing \(the first: image_proj\.proj\.2\.bias\)",
        ),
        (
            {"ip_adapter.99.to_k_ip.weight": torch.zeros(2)},
            r"1 unknown \(the first: ip_adapter\.99\.to_k_ip\.weight\)",
        ),
        (
            {"image_proj.proj.0.weight": torch.zeros(48, 48)},
            r"tokens of width 48, the image encoder gives 32; .*image_encoder=\[ViT-H-14,laion2b_",
        ),
        (
            {"image_proj.proj.3.weight": torch.zeros(0), "image_proj.latents": torch.zeros(1)},
            r"expected IP-Adapter's full-face layout .* got IP-Adapter Plus; run `hf download",
        ),
        ({"image_proj.proj.0.bias": torch.full((32,), torch.nan)}, r"expected finite weights"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    base: Path, changed: Write, changes: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_components(base, GuideSettings(), guide_weights=changed(changes))


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        ({"pathway": "latents"}, r"guide\.pathway=latents has no attention"),
        ({"tokens": "pooled"}, r"got guide\.tokens=pooled; give guide\.tokens=patch"),
    ],
)
def test_guides_that_the_weights_are_not_for_are_refused(
    base: Path, weights: Path, guide: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_components(base, GuideSettings(**guide), guide_weights=weights)


def test_a_file_that_is_absent_or_pickled_is_said_with_the_command_that_brings_it(
    base: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsNotPresentError, match=r"gone\.safetensors; run `hf download h94/"):
        load_components(base, GuideSettings(), guide_weights=tmp_path / "gone.safetensors")
    with pytest.raises(ValueError, match=r"pickled \.bin weights are not read.*`hf download h94/"):
        load_components(base, GuideSettings(), guide_weights=tmp_path / "full-face.bin")
