"""``model=sd15``: Stable Diffusion 1.5 in each layout it is published in, small and at full size.

The small checkpoints have random weights, real classes and the real layouts; the full-size model is
built on the meta device, which has shapes and no memory.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from safetensors.torch import load_file, save_file
from tests.helpers.text_inpainter import save_original_layout, tiny_text_inpainter
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError
from diffmvr.config import config_dir, register_resolvers
from diffmvr.models.components import Components, load_components
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.open_clip_weights import CONFIG_NAME, WEIGHTS_NAME, tower_settings
from diffmvr.models.stable_diffusion import UNET_CONFIG, VAE_CONFIG
from diffmvr.models.unet import build_unet
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline

SIDE = 64
TOWER = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}
NAME = "diffmvr-test-sd15"


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> str:
    """``local-dir:`` of a small OpenCLIP model."""
    folder = tmp_path_factory.mktemp("tower")
    (folder / f"{NAME}.json").write_text(json.dumps(TOWER))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    weights = open_clip.create_model(NAME, pretrained=None).state_dict()
    weights_folder = tmp_path_factory.mktemp("tower-weights")
    save_file({k: v.contiguous() for k, v in weights.items()}, weights_folder / WEIGHTS_NAME)
    told = {"model_cfg": TOWER, "preprocess_cfg": {}}
    (weights_folder / CONFIG_NAME).write_text(json.dumps(told))
    return f"local-dir:{weights_folder}"


@pytest.fixture(scope="module", params=[4, 9], ids=["plain", "inpainting"])
def layouts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small checkpoint as a folder, as its half-precision variant, and as one file of each."""
    folder = tmp_path_factory.mktemp("layouts")
    # Weights that half precision holds exactly, so that all layouts say the same.
    pipeline = tiny_text_inpainter(in_channels=request.param).to(torch.float16).to(torch.float32)
    pipeline.save_pretrained(folder / "folder")
    save_original_layout(pipeline, folder / "file.safetensors")
    pipeline.to(torch.float16).save_pretrained(folder / "variant", variant="fp16")
    halves = {k: v.half() for k, v in load_file(folder / "file.safetensors").items()}
    save_file(halves, folder / "file-fp16.safetensors")
    return folder


def load(base: Path, tower: str, **changes: Any) -> Components:
    torch.manual_seed(7)  # of the projectors, which no base has
    settings = {"guide": GuideSettings(), "image_encoder": (NAME, tower), **changes}
    return load_components(base, **settings)


def weights(components: Components) -> dict[str, Tensor]:
    parts = {"vae": components.vae, "unet": components.unet, "tower": components.image_encoders[0]}
    return {
        f"{part} {k}": v for part, module in parts.items() for k, v in module.state_dict().items()
    }


def restored(components: Components) -> Tensor:
    pipeline = DiffMVRPipeline.from_components(components)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.eval()
    pipeline.projector.eval()
    draw = torch.Generator().manual_seed(0)
    mask = torch.zeros(2, 1, SIDE, SIDE)
    mask[..., 20:50, 20:50] = 1
    result = pipeline(
        torch.rand(2, 3, SIDE, SIDE, generator=draw) * 2 - 1,
        mask,
        torch.rand(2, 2, 3, SIDE, SIDE, generator=draw) * 2 - 1,
        torch.ones(2, 2, dtype=torch.bool),
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(1),
    )
    return result.pixel_values


def test_every_layout_gives_the_same_model(layouts: Path, tower: str) -> None:
    expected = load(layouts / "folder", tower)
    assert expected.unet.config.in_channels == 9
    known, picture = weights(expected), restored(expected)
    assert torch.isfinite(picture).all()
    others = {
        "variant": load(layouts / "variant", tower),
        **{
            name: load(layouts / name, tower, configs=layouts / "folder")
            for name in ("file.safetensors", "file-fp16.safetensors")
        },
    }
    for name, components in others.items():
        got = weights(components)
        assert got.keys() == known.keys(), name
        assert all(torch.equal(got[key], known[key]) for key in known), name
        assert {value.dtype for value in got.values()} == {torch.float32}
        assert components.scheduler.config == expected.scheduler.config
        assert torch.equal(restored(components), picture), name
        frozen = [*components.vae.parameters(), *components.image_encoders[0].parameters()]
        assert not any(parameter.requires_grad for parameter in frozen)
        assert all(parameter.requires_grad for parameter in components.unet.parameters())


@pytest.mark.parametrize("layout", ["folder", "file"])
@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("unet", "missing", r"1 missing \(the first: conv_out\.bias\)"),
        ("unet", "shape", r"1 of other shapes \(the first: conv_out\.bias: \(7,\), not \(4,\)\)"),
        ("vae", "missing", r"1 missing \(the first: decoder\.conv_out\.bias\)"),
        ("vae", "shape", r"decoder\.conv_out\.bias"),
    ],
)
def test_a_checkpoint_whose_keys_differ_is_an_error(
    layouts: Path, tower: str, tmp_path: Path, layout: str, part: str, change: str, message: str
) -> None:
    settings: dict[str, Any] = {}
    if layout == "folder":
        base = tmp_path / "base"
        shutil.copytree(layouts / "folder", base)
        file = base / part / "diffusion_pytorch_model.safetensors"
        key = "conv_out.bias" if part == "unet" else "decoder.conv_out.bias"
    else:
        base = file = tmp_path / "base.safetensors"
        shutil.copy(layouts / "file.safetensors", file)
        settings["configs"] = layouts / "folder"
        key = (
            "model.diffusion_model.out.2.bias"
            if part == "unet"
            else "first_stage_model.decoder.conv_out.bias"
        )
    state = load_file(file)
    if change == "missing":
        del state[key]
    else:
        state[key] = torch.zeros(7)
    save_file(state, file)
    with pytest.raises(ValueError, match=rf"weights of another architecture: [\s\S]*{message}"):
        load(base, tower, **settings)


def test_files_of_another_layout_or_size_are_named(
    layouts: Path, tower: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"not in the one-file layout of Stable Diffusion"):
        load(layouts / "folder" / "unet" / "diffusion_pytorch_model.safetensors", tower)
    # Taken for Stable Diffusion 1.5, since nothing says that it is smaller.
    with pytest.raises(ValueError, match="of another architecture"):
        load(layouts / "file.safetensors", tower)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((layouts / "file.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"damaged\.safetensors is no safetensors file"):
        load(damaged, tower)


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", list(overrides))


def test_the_configuration_reaches_every_part(layouts: Path, tower: str) -> None:
    cfg = composed(
        "experiment=dual_motion",
        "model=sd15",
        f"model.components.base={layouts / 'file.safetensors'}",
        f"model.components.configs={layouts / 'folder'}",
        f"model.components.image_encoder=[{NAME},'{tower}']",
        "model.components.gradient_checkpointing=true",
    )
    module = instantiate(cfg.model, _convert_="all")
    assert module.unet.is_gradient_checkpointing
    assert module.components.vae.decoder.gradient_checkpointing
    config = module.scheduler.config
    assert (config.beta_start, config.beta_end) == (0.0008, 0.0145)
    assert (config.beta_schedule, config.timestep_spacing) == ("scaled_linear", "trailing")


@pytest.mark.parametrize(
    ("model", "repository"),
    [("sd15", "stable-diffusion-v1-5"), ("sd15_inpainting", "stable-diffusion-inpainting")],
)
def test_absent_weights_are_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, repository: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cfg = composed(f"model={model}")
    start = time.monotonic()
    with pytest.raises(
        Exception, match=rf"hf download stable-diffusion-v1-5/{repository} "
    ) as caught:
        instantiate(cfg.model.components, _convert_="all")
    assert time.monotonic() - start < 30, "retries take 47 s"
    assert isinstance(caught.value.__cause__, WeightsNotPresentError)
    message = str(caught.value.__cause__)
    assert f"--local-dir weights/{repository}`, then give model.components.base=" in message


FULL_KINDS = ("symmetric", "past")


@pytest.mark.parametrize("pathway", ["attention", "both"])
def test_the_full_size_unet_has_its_published_weights_and_a_second_source_of_keys(
    pathway: str,
) -> None:
    def size(kinds: tuple[str, ...]) -> int:
        guide = GuideSettings(kinds=kinds, scales=(1.0,) * len(kinds), pathway=pathway)
        with torch.device("meta"):
            unet = build_unet(UNET_CONFIG, guide, VAE_CONFIG["latent_channels"])
        layers = dict(guide_processors(unet))
        assert len(layers) == 16
        for processor in layers.values():
            for kind in kinds:
                for projection in (processor.to_k[kind], processor.to_v[kind]):
                    assert projection.weight.shape == (projection.out_features, 768)
        widths = [layer.to_k["past"].out_features for layer in layers.values()]
        assert sorted(widths) == [*[320] * 5, *[640] * 5, *[1280] * 6]
        return sum(parameter.numel() for parameter in unet.parameters())

    channels = 5 + (8 if pathway == "both" else 0)
    # Stable Diffusion 1.5's own 859,520,964, and 320 × 3 × 3 for each channel that joins the input.
    second = 2 * 768 * (5 * 320 + 5 * 640 + 6 * 1280)
    assert second == 19_169_280
    assert size(FULL_KINDS) == 859_520_964 + channels * 320 * 9 + second
    alone = channels - (4 if pathway == "both" else 0)
    assert size(("past",)) == 859_520_964 + alone * 320 * 9


@pytest.mark.parametrize(
    ("name", "width"), [("ViT-B-32", 768), ("ViT-L-14", 1024), ("ViT-H-14", 1280)]
)
def test_full_size_tokens_fit_the_full_size_unet(name: str, width: int) -> None:
    from diffmvr.models.projector import GuideProjector

    with torch.device("meta"):
        encoder = GuideEncoder(**tower_settings(name, None))
        tokens = encoder.num_tokens("patch")
        projector = GuideProjector(
            kinds=FULL_KINDS,
            token_width=encoder.token_width("patch"),
            cross_attention_dim=768,
            num_input_tokens=tokens,
            num_tokens=tokens,
        ).eval()
        unet = build_unet(UNET_CONFIG, GuideSettings(), 4)
        embeds = encoder(torch.empty(1, 3, 224, 224))
        assert embeds.shape == (1, tokens, width)
        context = projector((embeds, embeds), torch.ones(1, 2, dtype=torch.bool))
        assert [part.shape for part in context] == [(1, tokens, 768)] * 2
        output = unet(torch.empty(1, 9, 64, 64), torch.tensor([10]), context).sample
    assert output.shape == (1, 4, 64, 64)
