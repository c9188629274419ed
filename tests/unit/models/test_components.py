"""From a folder to a model: one code path, whatever the folder holds."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import (
    CROSS_ATTENTION_DIM,
    SIDE,
    build_tiny,
    fingerprint,
    plain_unet,
    save_frozen_parts,
    tiny_scheduler,
)

from diffmvr.models.base_checkpoint import part_folder
from diffmvr.models.components import load_components
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline


@pytest.fixture
def base(frozen_parts: Path, tmp_path: Path) -> Path:
    """A folder as Stable Diffusion's: a plain U-Net, an autoencoder, a schedule; and a tower."""
    folder = tmp_path / "base"
    shutil.copytree(frozen_parts, folder)
    plain_unet(4).save_pretrained(folder / "unet")
    tiny_scheduler("epsilon").save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture
def dual(frozen_parts: Path, tmp_path: Path) -> Path:
    """A saved DiffMVR with both guides and both pathways."""
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    DiffMVRPipeline.from_components(components).save_pretrained(tmp_path / "dual")
    return tmp_path / "dual"


def test_a_stable_diffusion_folder_becomes_a_guided_model(base: Path) -> None:
    components = load_components(base, GuideSettings(pathway="both"), guide_dropout=0.3)
    assert components.unet.config.in_channels == 17
    assert components.projector.config.cross_attention_dim == CROSS_ATTENTION_DIM
    assert components.projector.config.dropout == 0.3
    assert components.scheduler.config.prediction_type == "epsilon"


def test_the_size_of_the_frames_must_suit_the_model(
    frozen_parts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    components = build_tiny(frozen_parts)
    components.check_side(SIDE)
    assert not caplog.records and components.resolution == SIDE
    components.check_side(2 * SIDE)
    assert "data.source.size=64: the model was made for frames of 32 pixels" in caplog.text
    with pytest.raises(ValueError, match=r"data\.source\.size: expected a multiple of 8 .* got 36"):
        components.check_side(36)


@pytest.mark.parametrize(
    ("tokens", "arriving", "leaving"), [("patch", 5, 5), ("pooled", 1, 6), ("single", 1, 1)]
)
def test_the_projector_fits_the_token_mode(
    base: Path, tokens: str, arriving: int, leaving: int
) -> None:
    config = load_components(base, GuideSettings(tokens=tokens, num_tokens=6)).projector.config
    assert (config.num_input_tokens, config.num_tokens) == (arriving, leaving)
    assert config.token_width == (32 if tokens == "patch" else 16)


def test_frozen_parts_are_frozen(base: Path) -> None:
    components = load_components(base, GuideSettings())
    for part in (components.vae, *components.image_encoders):
        assert not part.training
        assert not any(parameter.requires_grad for parameter in part.parameters())
    assert all(parameter.requires_grad for parameter in components.unet.parameters())
    assert all(parameter.requires_grad for parameter in components.projector.parameters())


def test_one_tower_serves_both_guides_unless_there_are_two(base: Path, tmp_path: Path) -> None:
    first, second = load_components(base, GuideSettings()).image_encoders
    assert first is second
    torch.manual_seed(9)
    own = GuideEncoder(32, 16, width=32, layers=2, heads=2, mlp_ratio=2.0, embed_dim=16)
    own.save_pretrained(base / "image_encoder_2")
    first, second = load_components(base, GuideSettings()).image_encoders
    assert fingerprint(second) == fingerprint(own) != fingerprint(first)


def test_what_one_guide_learned_stays_with_it(dual: Path) -> None:
    whole = load_components(dual)
    past = load_components(dual, GuideSettings(kinds=("past",), scales=(1.0,)))
    mine, theirs = past.projector.state_dict(), whole.projector.state_dict()
    assert all(".past" in key for key in mine)
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    present = load_components(dual, GuideSettings(kinds=("present",), scales=(1.0,)))
    for key, value in present.projector.state_dict().items():
        assert torch.equal(value, theirs[key.replace("present", "symmetric")]), key


def test_another_token_mode_takes_what_fits(dual: Path) -> None:
    saved = load_components(dual).projector.state_dict()
    single = load_components(dual, GuideSettings(tokens="single")).projector.state_dict()
    for kind in ("symmetric", "past"):
        assert torch.equal(single[f"norm.{kind}.weight"], saved[f"norm.{kind}.weight"])
        assert single[f"null.{kind}"].shape == (1, 1, CROSS_ATTENTION_DIM)


def test_a_fine_tuned_model_may_leave_the_frozen_parts_to_its_base(dual: Path) -> None:
    child = dual.parent / "child"
    shutil.copytree(dual, child)
    for part in ("vae", "image_encoder", "scheduler"):
        shutil.rmtree(child / part)
    with pytest.raises(FileNotFoundError, match=r"no autoencoder in .*child"):
        load_components(child)
    (child / "base.json").write_text(json.dumps({"base": "../dual"}))
    assert part_folder(child, "vae") == dual / "vae"
    assert part_folder(child, "unet") == child / "unet"
    whole, light = load_components(dual), load_components(child)
    assert fingerprint(whole.vae) == fingerprint(light.vae)
    assert fingerprint(whole.image_encoders[0]) == fingerprint(light.image_encoders[0])
    assert fingerprint(whole.unet) == fingerprint(light.unet)


def test_missing_parts_are_named(base: Path) -> None:
    shutil.rmtree(base / "image_encoder")
    with pytest.raises(FileNotFoundError, match=r"no image_encoder/.*components\.image_encoder"):
        load_components(base, GuideSettings())
    shutil.rmtree(base / "scheduler")
    with pytest.raises(FileNotFoundError, match=r"no scheduler in .*scheduler_config\.json"):
        load_components(base, GuideSettings())
    with pytest.raises(ValueError, match="without guides"):
        load_components(base)


def test_an_autoencoder_of_another_latent_space_is_an_error(base: Path, tmp_path: Path) -> None:
    shutil.rmtree(base / "unet")
    unet = plain_unet(4)
    config = {**unet.config, "in_channels": 8, "out_channels": 8}
    type(unet)(**{k: v for k, v in config.items() if not k.startswith("_")}).save_pretrained(
        base / "unet"
    )
    with pytest.raises(ValueError, match=r"latent channels: the U-Net has 8, .* has 4"):
        load_components(base, GuideSettings())


def test_a_tower_can_be_given_apart_from_the_base(base: Path, tmp_path: Path) -> None:
    other = save_frozen_parts(tmp_path / "other") / "image_encoder"
    shutil.rmtree(base / "image_encoder")
    components = load_components(base, GuideSettings(), image_encoder=other)
    saved = GuideEncoder.from_pretrained(other, low_cpu_mem_usage=False)
    assert fingerprint(components.image_encoders[0]) == fingerprint(saved)


def test_the_schedule_can_be_another(base: Path) -> None:
    changed = {"beta_end": 0.0145, "timestep_spacing": "trailing"}
    config = load_components(base, GuideSettings(), schedule=changed).scheduler.config
    assert (config.beta_start, config.beta_end) == (0.0008, 0.0145)
    assert config.timestep_spacing == "trailing" and config.clip_sample is False


def test_gradient_checkpointing_changes_no_gradient(base: Path) -> None:
    def gradients(checkpointing: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)  # of the random projectors
        unet = load_components(
            base, GuideSettings(), gradient_checkpointing=checkpointing
        ).unet.train()
        assert unet.is_gradient_checkpointing is checkpointing
        draw = torch.Generator().manual_seed(1)
        tokens = tuple(torch.randn(2, 5, CROSS_ATTENTION_DIM, generator=draw) for _ in range(2))
        noisy = torch.randn(2, 9, 8, 8, generator=draw)
        unet(noisy, torch.tensor([3, 700]), tokens).sample.square().sum().backward()
        return {name: p.grad for name, p in unet.named_parameters() if p.grad is not None}

    plain, again = gradients(False), gradients(True)
    assert plain.keys() == again.keys()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_a_tower_folder_without_a_tower_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image encoder in .*empty"):
        load_components(base, GuideSettings(), image_encoder=tmp_path / "empty")
