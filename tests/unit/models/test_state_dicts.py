"""Weights come into a module whole, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.fourier_inpainter import FourierInpainter
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.state_dicts import (
    WEIGHTS_NAMES,
    assign_state,
    check_state,
    find_weights,
    load_pretrained,
    pickled_remedy,
)


def layers(device: str = "cpu") -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)).to(device)


def state() -> dict[str, Tensor]:
    return {name: torch.randn(value.shape) for name, value in layers().state_dict().items()}


def small_tower(seed: int = 0) -> GuideEncoder:
    torch.manual_seed(seed)
    return GuideEncoder(32, 16, width=32, layers=2, heads=2, mlp_ratio=2.0, embed_dim=16)


def test_every_difference_is_counted_and_its_first_named() -> None:
    offered = state()
    check_state(layers().state_dict(), offered, "FILE")
    del offered["0.weight"], offered["1.bias"]
    offered["0.bias"] = torch.zeros(5)
    offered["extra.weight"] = torch.zeros(1)
    expected = (
        r"FILE: weights of another architecture: 2 missing \(the first: 0\.weight\), "
        r"1 unknown \(the first: extra\.weight\), "
        r"1 of other shapes \(the first: 0\.bias: \(5,\), not \(3,\)\)"
    )
    with pytest.raises(ValueError, match=expected):
        check_state(layers().state_dict(), offered, "FILE")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_are_float32_copies_of_their_own(dtype: torch.dtype) -> None:
    shared = torch.randn(3, dtype=dtype)
    offered = {name: value.to(dtype) for name, value in state().items()}
    offered["0.bias"] = offered["1.bias"] = shared
    model = layers("meta")
    assign_state(model, offered, "FILE")
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert all(value.requires_grad for value in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, offered[name].float())
    with torch.no_grad():
        model[0].bias.zero_()
    assert model[1].bias.any() and shared.any()


def test_a_saved_model_is_loaded_strictly(tmp_path: Path) -> None:
    tower = small_tower()
    tower.save_pretrained(tmp_path)
    file = tmp_path / WEIGHTS_NAMES[0]
    whole = load_file(file)
    loaded = load_pretrained(GuideEncoder, tmp_path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in whole.items())

    first, *_ = sorted(whole)
    save_file({name: value for name, value in whole.items() if name != first}, file)
    with pytest.raises(
        ValueError, match=rf"{tmp_path}/config\.json: .*1 missing \(the first: {first}\)"
    ):
        load_pretrained(GuideEncoder, tmp_path)
    save_file({**whole, "extra": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match=r"1 unknown \(the first: extra\)"):
        load_pretrained(GuideEncoder, tmp_path)
    save_file({**whole, first: torch.zeros(7)}, file)
    with pytest.raises(ValueError, match=r"1 of other shapes \(the first: .*class_embedding: \(7,"):
        load_pretrained(GuideEncoder, tmp_path)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_model_saved_in_its_wrapper_is_read(prefix: str, tmp_path: Path) -> None:
    small_tower().save_pretrained(tmp_path)
    file = tmp_path / WEIGHTS_NAMES[0]
    whole = load_file(file)
    save_file({prefix + name: value for name, value in whole.items()}, file)
    loaded = load_pretrained(GuideEncoder, tmp_path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in whole.items())


def test_a_weight_that_is_no_number_is_named(tmp_path: Path) -> None:
    small_tower().save_pretrained(tmp_path)
    file = tmp_path / WEIGHTS_NAMES[0]
    whole = load_file(file)
    whole["visual.conv1.weight"][3] = torch.nan
    save_file(whole, file)
    expected = (
        rf"{file}: expected finite weights, got 768 of 24,576 values of visual\.conv1\.weight"
    )
    with pytest.raises(ValueError, match=expected):
        load_pretrained(GuideEncoder, tmp_path)


def test_half_precision_files_are_found_and_widened(tmp_path: Path) -> None:
    tower = small_tower()
    tower.save_pretrained(tmp_path)
    whole = load_file(tmp_path / WEIGHTS_NAMES[0])
    (tmp_path / WEIGHTS_NAMES[0]).unlink()
    halves = {name: value.half() for name, value in whole.items()}
    save_file(halves, tmp_path / WEIGHTS_NAMES[1])
    assert find_weights(tmp_path).name == WEIGHTS_NAMES[1]
    loaded = load_pretrained(GuideEncoder, tmp_path).state_dict()
    for name, value in halves.items():
        assert loaded[name].dtype == torch.float32 and torch.equal(loaded[name], value.float())


def test_pickles_are_not_read_and_their_conversion_works(tmp_path: Path) -> None:
    offered = state()
    pickled = tmp_path / "diffusion_pytorch_model.bin"
    torch.save({"state_dict": offered}, pickled)
    with pytest.raises(WeightsNotPresentError, match=r"pickled \.bin weights are not read"):
        find_weights(tmp_path)
    remedy = pickled_remedy(pickled)
    code = remedy.split('python -c "')[1].removesuffix('"`')
    subprocess.run([sys.executable, "-c", code], check=True)
    converted = load_file(pickled.with_suffix(".safetensors"))
    assert converted.keys() == offered.keys()
    assert all(torch.equal(converted[name], offered[name]) for name in offered)


def test_what_is_drawn_after_loading_does_not_depend_on_the_weights_initialisation(
    tmp_path: Path,
) -> None:
    FourierInpainter(width=8, downsamplings=2, blocks=1).save_pretrained(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_pretrained(FourierInpainter, tmp_path)
    assert torch.equal(torch.rand(4), expected)
