"""LaMa from a program, from a state dict, and from neither."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.helpers.clips import moving_clip
from torch import Tensor, nn

from diffmvr.baselines.lama import LaMa
from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.fourier_inpainter import FourierInpainter


class StandIn(nn.Module):
    """Has big-lama.pt's interface; fills the hole with the mean colour of what is visible."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        visible = 1 - mask
        mean = (image * visible).sum(dim=(2, 3), keepdim=True) / visible.sum(
            dim=(2, 3), keepdim=True
        )
        return image * visible + mean * mask


class Composite(nn.Module):
    """What ``bin/to_jit.py`` of advimman/lama traces: the generator, put into the image."""

    def __init__(self, network: FourierInpainter) -> None:
        super().__init__()
        self.model = network

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return mask * self.model.fill(image, mask) + (1 - mask) * image


@pytest.fixture(scope="module")
def network() -> FourierInpainter:
    torch.manual_seed(0)
    return FourierInpainter(width=4, downsamplings=3, blocks=2).eval()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lama") / "stand-in.pt"
    example = torch.rand(1, 3, 48, 48), torch.ones(1, 1, 48, 48)
    torch.jit.trace(StandIn(), example).save(path)
    return path


def test_a_trusted_program_gets_the_image_and_the_mask(program: Path) -> None:
    clip = moving_clip(size=48)
    restored = LaMa(program, trusted=True, device="cpu").restore(clip)
    np.testing.assert_array_equal(restored[clip.mask == 0], clip.observed[clip.mask == 0])
    for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
        mean = clip.frames[t][clip.mask[t] == 0].mean(axis=0)
        filled = restored[t][clip.mask[t] == 1]
        np.testing.assert_allclose(filled, np.tile(mean, (len(filled), 1)), atol=0.51)


def test_any_size_is_padded_and_a_resolution_is_worked_at(program: Path) -> None:
    clip = moving_clip(size=46)
    for restorer in (
        LaMa(program, trusted=True, device="cpu"),
        LaMa(program, trusted=True, resolution=96, device="cpu"),
    ):
        restored = restorer.restore(clip)
        np.testing.assert_array_equal(restored[clip.mask == 0], clip.observed[clip.mask == 0])
        hole = restored[3][clip.mask[3] == 1].astype(float)
        mean = clip.frames[3][clip.mask[3] == 0].mean(axis=0)
        # The padding, and the averaging of the larger picture, shift the mean a little.
        assert np.abs(hole - mean).max() < 8


def test_a_program_is_not_run_unless_it_is_trusted(program: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^baselines\.lama\.trusted: expected true for .*stand-in\.pt"
    ):
        LaMa(program)


@pytest.fixture(scope="module")
def traced(network: FourierInpainter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lama") / "traced.pt"
    example = torch.rand(1, 3, 40, 40), torch.ones(1, 1, 40, 40)
    torch.jit.trace(Composite(network), example, strict=False, check_trace=False).save(path)
    return path


@pytest.mark.parametrize("layout", ["safetensors", "lightning", "torchscript's"])
def test_a_state_dict_gives_what_its_program_gives(
    network: FourierInpainter, traced: Path, tmp_path: Path, layout: str
) -> None:
    clip = moving_clip(size=44, frames=4)
    expected = LaMa(traced, trusted=True, device="cpu").restore(clip)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    path = tmp_path / "big-lama.safetensors"
    if layout == "safetensors":
        save_file(state, path)
    elif layout == "lightning":
        # The discriminator lies beside the generator.
        state["discriminator.model0.0.weight"] = torch.zeros(3)
        path = tmp_path / "best.ckpt"
        torch.save({"state_dict": OrderedDict(state), "epoch": 3}, path)
    else:
        save_file({f"model.{name}": value for name, value in state.items()}, path)
    restored = LaMa(path, device="cpu").restore(clip)
    np.testing.assert_array_equal(restored, expected)
    assert (restored[clip.mask == 1] != clip.observed[clip.mask == 1]).any()


@pytest.mark.parametrize("resolution", [None, 72])
def test_the_truth_and_the_occluder_do_not_matter(
    network: FourierInpainter, tmp_path: Path, resolution: int | None
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(network.state_dict(), path)
    lama, clip = LaMa(path, resolution=resolution, device="cpu"), moving_clip(frames=4)
    other = replace(
        clip, observed=np.where(clip.mask[..., None] == 1, 0, clip.observed), frames=None
    )
    np.testing.assert_array_equal(lama.restore(clip), lama.restore(other))


def test_missing_weights_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"^weights not present: {tmp_path}/x\.pt; run `curl -L -o '{tmp_path}/x\.pt' https://"
        r".*big-lama\.pt --create-dirs` \(.* where lama: .*\), "
        rf"then give baselines\.lama\.weights={tmp_path}/x\.pt ",
    ):
        LaMa(tmp_path / "x.pt")
    with pytest.raises(WeightsNotPresentError, match=r"present: baselines\.lama\.weights=null; "):
        LaMa()


@pytest.mark.parametrize("content", ["text", "objects", "number", "foreign"])
def test_another_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "best.ckpt"
    expected = (
        r"baselines\.lama\.weights: .*best\.ckpt holds more than plain tensors, or is damaged"
    )
    if content == "text":
        path.write_text("no weights")
    elif content == "objects":
        torch.save({"state_dict": {}, "callbacks": {Path: 1}}, path)
    elif content == "number":
        torch.save(3, path)
        expected = r"best\.ckpt: expected tensors by name, got int"
    else:
        torch.save({"conv.weight": torch.zeros(3)}, path)
        expected = r"best\.ckpt: weights: expected names that begin with generator\.model"
    with pytest.raises(ValueError, match=expected):
        LaMa(path)
    damaged = tmp_path / "a.safetensors"
    damaged.write_bytes(b"\x08")
    with pytest.raises(ValueError, match=r"weights: .*a\.safetensors is no safetensors file"):
        LaMa(damaged)
