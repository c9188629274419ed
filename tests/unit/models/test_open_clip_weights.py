"""The weights of a tower: from a file, a folder or a tag, with what they were trained with."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.open_clip_weights import CONFIG_NAME, WEIGHTS_NAME, locate_tower, tower_settings

NAME = "diffmvr-test-files"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    """A small CLIP known to OpenCLIP by name."""
    folder = tmp_path_factory.mktemp("architectures")
    (folder / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    torch.manual_seed(3)
    return open_clip.create_model(NAME, pretrained=None).eval()


def save(model: torch.nn.Module, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    save_file({k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}, path)
    return path


def same_tower(encoder: GuideEncoder, model: torch.nn.Module) -> bool:
    own, theirs = encoder.visual.state_dict(), model.visual.state_dict()
    return own.keys() == theirs.keys() and all(torch.equal(own[k], theirs[k]) for k in own)


def test_a_file_and_a_folder_give_the_same_tower(model: torch.nn.Module, tmp_path: Path) -> None:
    file = save(model, tmp_path / WEIGHTS_NAME)
    for given in (file, str(file), tmp_path, f"local-dir:{tmp_path}"):
        assert same_tower(GuideEncoder.from_open_clip(NAME, given), model)
    # A single file of any name will do.
    file.rename(tmp_path / "tower.safetensors")
    encoder = GuideEncoder.from_open_clip(NAME, f"local-dir:{tmp_path}")
    assert same_tower(encoder, model)
    images = torch.zeros(1, 3, 32, 32)
    assert torch.isfinite(encoder(images)).all() and encoder.mean.device.type == "cpu"


def test_half_precision_files_are_widened(model: torch.nn.Module, tmp_path: Path) -> None:
    encoder = GuideEncoder.from_open_clip(NAME, save(model, tmp_path / "a.safetensors", torch.half))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_the_config_beside_a_file_says_how_it_was_trained(
    model: torch.nn.Module, tmp_path: Path
) -> None:
    file = save(model, tmp_path / WEIGHTS_NAME)
    plain = GuideEncoder.from_open_clip(NAME, file).config
    assert plain.quick_gelu is False and plain.image_mean == open_clip.OPENAI_DATASET_MEAN
    told = {
        "model_cfg": {**CONFIG, "quick_gelu": True},
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    }
    (tmp_path / CONFIG_NAME).write_text(json.dumps(told))
    encoder = GuideEncoder.from_open_clip(NAME, file)
    assert encoder.config.quick_gelu is True
    assert encoder.mean.flatten().tolist() == [0.5] * 3
    assert encoder.std.flatten().tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_cfg": 3}, "model_cfg, preprocess_cfg: expected settings by name, got 3"),
        ({"preprocess_cfg": [1]}, "model_cfg, preprocess_cfg: expected settings by name"),
        ({"model_cfg": {}}, "its settings make no vision tower: 'vision_cfg'"),
        ({"model_cfg": {**CONFIG, "embed_dim": "x"}}, "embed_dim: expected .*, got 'x'"),
        ({"model_cfg": {**CONFIG, "vision_cfg": {"layers": 2}}}, "its settings make no vision"),
        ({"preprocess_cfg": {"mean": 1}}, "image_mean: expected a list of a finite number, got 1"),
    ],
)
def test_a_config_beside_a_file_of_a_wrong_kind_is_named(
    change: dict[str, object], told: str, model: torch.nn.Module, tmp_path: Path
) -> None:
    file = save(model, tmp_path / WEIGHTS_NAME)
    content = {"model_cfg": CONFIG, "preprocess_cfg": {}, **change}
    (tmp_path / CONFIG_NAME).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"{CONFIG_NAME}: {told}"):
        GuideEncoder.from_open_clip(NAME, file)


def test_a_lone_file_of_an_architecture_with_two_activations_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tower_settings("ViT-L-14", "openai")
    assert not caplog.records
    tower_settings("ViT-L-14", tmp_path / "file.safetensors")
    assert "GELU is taken" in caplog.text and "ViT-L-14-quickgelu" in caplog.text


@pytest.mark.parametrize(
    ("given", "repository"),
    [
        ("openai", "timm/vit_large_patch14_clip_224.openai"),
        ("laion2b_s32b_b82k", "laion/CLIP-ViT-L-14-laion2B-s32B-b82K"),
    ],
)
def test_a_tag_that_is_not_in_the_cache_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, repository: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = f"weights/ViT-L-14-{given}"
    with pytest.raises(WeightsNotPresentError) as caught:
        GuideEncoder.from_open_clip("ViT-L-14", given)
    message = str(caught.value)
    assert f"hf download {repository} --include '{WEIGHTS_NAME}'" in message
    assert f"--local-dir {place}`" in message
    assert f"model.components.image_encoder=[ViT-L-14,local-dir:{place}]" in message


def test_absent_and_foreign_files_are_named(model: torch.nn.Module, tmp_path: Path) -> None:
    absent = tmp_path / "absent.safetensors"
    command = r"`hf download timm/vit_base_patch32_clip_224\.openai open_clip_model\.safetensors"
    for given in (absent, f"local-dir:{tmp_path}"):
        with pytest.raises(WeightsNotPresentError, match=rf"weights not present: .*{command}"):
            locate_tower("ViT-B-32", given)
    with pytest.raises(ValueError, match=r"OpenCLIP has no weights 'ai' for ViT-B-32 \(its tags:"):
        locate_tower("ViT-B-32", "ai")
    (tmp_path / "tower.bin").touch()
    with pytest.raises(ValueError, match=r"tower\.bin: pickled \.bin weights are not read"):
        locate_tower("ViT-B-32", tmp_path / "tower.bin")
    save_file({"vision_model.weight": torch.zeros(1)}, absent)
    with pytest.raises(ValueError, match=r"no OpenCLIP vision tower .*first here is 'vision_model"):
        GuideEncoder.from_open_clip(NAME, absent)


def test_a_tower_of_another_size_is_an_error(model: torch.nn.Module, tmp_path: Path) -> None:
    file = save(model, tmp_path / WEIGHTS_NAME)
    with pytest.raises(ValueError, match=r"open_clip_model\.safetensors: weights of another archi"):
        GuideEncoder.from_open_clip("ViT-B-32", file)


@pytest.mark.parametrize(
    ("name", "width", "tokens", "embed"),
    [("ViT-B-32", 768, 50, 512), ("ViT-L-14", 1024, 257, 768), ("ViT-H-14", 1280, 257, 1024)],
)
def test_published_towers_have_their_sizes(name: str, width: int, tokens: int, embed: int) -> None:
    with torch.device("meta"):
        encoder = GuideEncoder(**tower_settings(name, None))
    assert (encoder.token_width("patch"), encoder.num_tokens("patch")) == (width, tokens)
    assert encoder.token_width("pooled") == embed
