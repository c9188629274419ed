"""A base that is widened computes what the base computed; and what else can be in a folder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.helpers.tiny import CROSS_ATTENTION_DIM, LATENT_CHANNELS, UNET, plain_unet
from torch import Tensor

from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.unet import build_unet, load_unet

C = LATENT_CHANNELS
DUAL, PAST = ("symmetric", "past"), ("past",)
WEIGHTS = "diffusion_pytorch_model.safetensors"


def settings(kinds: tuple[str, ...] = DUAL, pathway: str = "attention", **more) -> GuideSettings:
    return GuideSettings(
        kinds=kinds, scales=(1 / len(kinds),) * len(kinds), pathway=pathway, **more
    )


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def guided(tmp_path: Path) -> Path:
    """A folder with a U-Net of both guides and pathways, every source different."""
    torch.manual_seed(5)
    unet = build_unet({**UNET, "out_channels": C}, settings(pathway="both"), C)
    for _, processor in guide_processors(unet):
        for parameter in processor.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    unet.save_pretrained(tmp_path / "guided")
    return tmp_path / "guided"


@torch.no_grad()
@pytest.mark.parametrize("kinds", [DUAL, PAST], ids=["dual", "past"])
@pytest.mark.parametrize("pathway", ["attention", "latents", "both"])
@pytest.mark.parametrize("base_channels", [C, 2 * C + 1], ids=["plain", "inpainting"])
def test_a_widened_base_equals_the_base_at_step_0(
    tmp_path: Path, kinds: tuple[str, ...], pathway: str, base_channels: int
) -> None:
    base = plain_unet(base_channels)
    base.save_pretrained(tmp_path)
    unet = load_unet(tmp_path, settings(kinds, pathway)).eval()
    text = random(2, 7, CROSS_ATTENTION_DIM)
    known = random(2, base_channels, 8, 8, seed=1)
    added = 5 * random(2, unet.config.in_channels - base_channels, 8, 8, seed=2)
    timesteps = torch.tensor([3, 800])
    expected = base(known, timesteps, text).sample
    got = unet(torch.cat([known, added], dim=1), timesteps, (text,) * len(kinds)).sample
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert unet.config.in_channels == settings(kinds, pathway).in_channels(C)


@torch.no_grad()
def test_the_added_channels_can_learn(tmp_path: Path) -> None:
    plain_unet(C).save_pretrained(tmp_path)
    unet = load_unet(tmp_path, settings(pathway="both"))
    assert not unet.conv_in.weight[:, C:].any()
    with torch.enable_grad():
        context = (random(1, 3, CROSS_ATTENTION_DIM),) * 2
        unet(random(1, 17, 8, 8), 10, context).sample.square().sum().backward()
    assert (unet.conv_in.weight.grad.abs().sum(dim=(0, 2, 3)) > 0).all()


@torch.no_grad()
def test_fewer_guides_keep_their_own_keys_values_and_channels(guided: Path) -> None:
    state = load_file(guided / WEIGHTS)
    unet = load_unet(guided, settings(PAST))
    for name, processor in guide_processors(unet):
        assert processor.kinds == PAST
        for projection in ("to_k", "to_v"):
            own = getattr(processor, projection)["past"].weight
            assert torch.equal(own, state[f"{name}.processor.{projection}.past.weight"])
    assert torch.equal(unet.conv_in.weight, state["conv_in.weight"][:, : 2 * C + 1])

    both = load_unet(guided, settings(PAST, "both"))
    past_block = state["conv_in.weight"][:, 3 * C + 1 :]  # after noisy, mask, masked, symmetric
    assert torch.equal(both.conv_in.weight[:, 2 * C + 1 :], past_block)

    swapped = load_unet(guided, settings(("past", "symmetric"), "both"))
    assert torch.equal(swapped.conv_in.weight[:, 2 * C + 1 : 3 * C + 1], past_block)


@torch.no_grad()
def test_all_weight_on_the_past_guide_equals_the_past_model(guided: Path) -> None:
    dual = load_unet(
        guided, GuideSettings(kinds=DUAL, scales=(0.0, 1.0), pathway="attention")
    ).eval()
    past = load_unet(guided, settings(PAST)).eval()
    latents = random(1, 2 * C + 1, 8, 8)
    mirror, carried = random(2, 1, 5, CROSS_ATTENTION_DIM, seed=4)
    torch.testing.assert_close(
        dual(latents, 50, (mirror, carried)).sample, past(latents, 50, (carried,)).sample
    )


def test_a_new_guide_starts_from_the_bases_first(guided: Path) -> None:
    state = load_file(guided / WEIGHTS)
    unet = load_unet(guided, settings(("present",)))
    for name, processor in guide_processors(unet):
        expected = state[f"{name}.processor.to_k.symmetric.weight"]
        assert torch.equal(processor.to_k["present"].weight, expected)
    assert (
        not load_unet(guided, settings(("present",), "both")).conv_in.weight[:, 2 * C + 1 :].any()
    )


@pytest.mark.parametrize("fusion", ["learned", "gated"])
def test_what_fusion_learned_is_kept_for_the_same_guides_only(tmp_path: Path, fusion: str) -> None:
    torch.manual_seed(6)
    unet = build_unet({**UNET, "out_channels": C}, settings(fusion=fusion), C)
    for _, processor in guide_processors(unet):
        for parameter in processor.fusion.parameters():
            torch.nn.init.normal_(parameter)
    unet.save_pretrained(tmp_path)
    query = random(1, 3, 32)
    (_, saved), *_ = guide_processors(unet)
    (_, same), *_ = guide_processors(load_unet(tmp_path))
    torch.testing.assert_close(same.guide_weights(query), saved.guide_weights(query))
    (_, other), *_ = guide_processors(
        load_unet(tmp_path, settings(("past", "symmetric"), fusion=fusion))
    )
    torch.testing.assert_close(
        other.guide_weights(query), torch.full_like(other.guide_weights(query), 0.5)
    )
    (_, fixed), *_ = guide_processors(load_unet(tmp_path, settings()))
    assert fixed.guide_weights(query).tolist() == [0.5, 0.5]


def test_saved_settings_are_taken_where_none_are_given(guided: Path) -> None:
    unet = load_unet(guided)
    assert GuideSettings(**unet.config.guide) == settings(pathway="both")
    state, own = load_file(guided / WEIGHTS), unet.state_dict()
    assert state.keys() == own.keys()
    assert all(torch.equal(state[key], own[key]) for key in state)


def test_half_precision_file_names_are_known(tmp_path: Path) -> None:
    plain_unet(C).save_pretrained(tmp_path)
    (tmp_path / WEIGHTS).rename(tmp_path / "diffusion_pytorch_model.fp16.safetensors")
    assert load_unet(tmp_path, settings()).config.in_channels == 2 * C + 1


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no U-Net in .*nowhere: config\.json is missing"):
        load_unet(tmp_path / "nowhere", settings())
    plain_unet(C).save_pretrained(tmp_path, safe_serialization=False)
    assert (tmp_path / "diffusion_pytorch_model.bin").is_file()
    with pytest.raises(FileNotFoundError, match=r"no safetensors weights.*\.bin weights are not"):
        load_unet(tmp_path, settings())
    with pytest.raises(ValueError, match="without guides; give the guide settings"):
        load_unet(tmp_path)


@pytest.mark.parametrize("broken", ["shape", "missing layer", "missing attention", "unknown layer"])
def test_weights_of_another_architecture_are_an_error(tmp_path: Path, broken: str) -> None:
    plain_unet(C).save_pretrained(tmp_path)
    state = load_file(tmp_path / WEIGHTS)
    if broken == "shape":
        state["conv_out.weight"] = torch.zeros(C, 16, 3, 3)
    elif broken == "missing layer":
        del state["conv_in.weight"]
    elif broken == "missing attention":
        del state[next(key for key in state if key.endswith("attn2.to_k.weight"))]
    else:
        state["extra.weight"] = torch.zeros(1)
    save_file(state, tmp_path / WEIGHTS)
    with pytest.raises(
        ValueError, match=r"weights of another architecture: [\s\S]*(conv|attn2|extra)"
    ):
        load_unet(tmp_path, settings())


@pytest.mark.parametrize("channels", [C + 3, 3 * C + 1])
def test_an_unknown_input_layout_is_an_error(tmp_path: Path, channels: int) -> None:
    plain_unet(channels).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"conv_in: {channels} input channels fit no known"):
        load_unet(tmp_path, settings())


def test_a_base_of_whole_frames_begins_its_differences_at_zero(guided: Path) -> None:
    noisy = random(2, settings(pathway="both").in_channels(C), 8, 8)
    tokens = (random(2, 7, CROSS_ATTENTION_DIM),) * 2

    def output(guide: GuideSettings) -> Tensor:
        return load_unet(guided, guide).eval()(noisy, 500, tokens).sample

    assert not output(settings(pathway="both", residual=True)).any()
    assert output(settings(pathway="both")).any()
