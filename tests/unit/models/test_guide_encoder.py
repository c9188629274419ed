"""The vision tower, against OpenCLIP's own way of running it."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from diffmvr.models.guide_encoder import GuideEncoder

NAME = "diffmvr-test-tower"
SIZE, PATCH, WIDTH, LAYERS, EMBED = 32, 16, 64, 3, 16


@pytest.fixture(scope="module", params=[False, True], ids=["gelu", "quickgelu"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a small architecture known to OpenCLIP."""
    name = f"{NAME}-{request.param}"
    config = {
        "embed_dim": EMBED,
        "quick_gelu": request.param,
        "vision_cfg": {
            "image_size": SIZE,
            "layers": LAYERS,
            "width": WIDTH,
            "patch_size": PATCH,
            "head_width": 32,
        },
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
    }
    folder = tmp_path_factory.mktemp("openclip")
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    return name


def images(size: int = SIZE, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, size, size, generator=generator) * 2 - 1


@pytest.fixture
def small() -> GuideEncoder:
    torch.manual_seed(0)
    return GuideEncoder(SIZE, PATCH, WIDTH, LAYERS, heads=2, embed_dim=EMBED).eval()


@torch.no_grad()
def test_open_clip_weights_give_open_clips_vector(source: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = open_clip.create_model(source, pretrained=None).eval()
    weights = tmp_path / "weights.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, weights)
    encoder = GuideEncoder.from_open_clip(source, weights).eval()
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(1, 3, 1, 1)
    expected = model.encode_image(((images() + 1) / 2 - mean) / std)
    torch.testing.assert_close(encoder(images(), "pooled")[:, 0], expected)
    torch.testing.assert_close(encoder(images(), "single")[:, 0], expected)


@torch.no_grad()
def test_patch_tokens_are_the_block_before_the_last(small: GuideEncoder) -> None:
    seen: list[Tensor] = []
    block = small.visual.transformer.resblocks[LAYERS - 2]
    handle = block.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    tokens = small(images(), "patch")
    handle.remove()
    assert tokens.shape == (2, (SIZE // PATCH) ** 2 + 1, WIDTH)
    assert tokens.shape[1:] == (small.num_tokens("patch"), small.token_width("patch"))
    torch.testing.assert_close(tokens, seen[0])


def test_announced_shapes_are_the_real_ones(small: GuideEncoder) -> None:
    for mode in ("patch", "pooled", "single"):
        with torch.no_grad():
            tokens = small(images(), mode)
        assert tokens.shape == (2, small.num_tokens(mode), small.token_width(mode))


def test_preprocessing_normalises_and_resizes(small: GuideEncoder) -> None:
    grey = small.preprocess(torch.zeros(1, 3, SIZE, SIZE))
    expected = (0.5 - small.mean) / small.std
    torch.testing.assert_close(grey, expected.expand_as(grey))
    flat = torch.full((1, 3, 50, 40), -0.3)
    resized = small.preprocess(flat)
    assert resized.shape == (1, 3, SIZE, SIZE)
    torch.testing.assert_close(resized, ((0.35 - small.mean) / small.std).expand_as(resized))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_resizing_is_torchvisions(small: GuideEncoder, dtype: torch.dtype) -> None:
    given = images(50).to(dtype)
    resized = tvf.resize(
        given * 0.5 + 0.5, [SIZE, SIZE], interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    assert torch.equal(small.preprocess(given), (resized - small.mean) / small.std)


def test_save_and_load(small: GuideEncoder, tmp_path: Path) -> None:
    small.save_pretrained(tmp_path)
    loaded = GuideEncoder.from_pretrained(tmp_path, low_cpu_mem_usage=False).eval()
    with torch.no_grad():
        assert torch.equal(loaded(images()), small(images()))


def test_what_a_tag_was_trained_with_decides_the_activation() -> None:
    # OpenCLIP's ViT-L-14 is a GELU model, but OpenAI's weights for it need QuickGELU.
    settings = GuideEncoder.open_clip_settings("ViT-L-14", "openai")
    assert settings["quick_gelu"] is True and settings["width"] == 1024
    assert GuideEncoder.open_clip_settings("ViT-L-14", "laion2b_s32b_b82k")["quick_gelu"] is False
    assert GuideEncoder.open_clip_settings("ViT-B-32-quickgelu", None)["quick_gelu"] is True
    # This tag's images are normalised in its own way.
    other = GuideEncoder.open_clip_settings("ViT-L-14", "laion2b_s32b_b82k")
    assert tuple(other["image_mean"]) == (0.5, 0.5, 0.5)


def test_bad_names_and_modes_are_named(small: GuideEncoder) -> None:
    with pytest.raises(ValueError, match=r"no architecture 'ViT-Z-99'"):
        GuideEncoder.from_open_clip("ViT-Z-99", None)
    with pytest.raises(ValueError, match=r"vision tower of 'RN50' is not a plain ViT"):
        GuideEncoder.from_open_clip("RN50", None)
    with pytest.raises(ValueError, match=r"tokens: .*got 'all'"):
        small(images(), "all")
    with pytest.raises(ValueError, match=r"pixel_values: .*got \(2, 1, 32, 32\)"):
        small(images()[:, :1])
