"""LPIPS from local weights: the formula, and what torchvision's file is called."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import tiny_clip
from torch import Tensor, nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchvision.models import alexnet

from diffmvr.checks import WeightsNotPresentError
from diffmvr.metrics.perceptual import LPIPSScorer, lpips

TAPS = (1, 4, 7, 9, 11)


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    torch.manual_seed(0)
    return alexnet(weights=None).eval()


@pytest.fixture(scope="module")
def weights(backbone: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    state = backbone.state_dict()
    # The classifier, most of the file, is not read.
    torch.save({k: v for k, v in state.items() if k.startswith("features")}, path)
    return path


def taps(backbone: nn.Module, images: Tensor) -> Iterator[Tensor]:
    x = (images - torch.tensor([-0.030, -0.088, -0.188])[:, None, None]) / torch.tensor(
        [0.458, 0.448, 0.450]
    )[:, None, None]
    for index, layer in enumerate(backbone.features):
        x = layer(x)
        if index in TAPS:
            yield x / (x.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()


def test_agrees_with_the_formula(backbone: nn.Module, weights: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 3, 3, 64, 64, generator=generator) * 2 - 1
    folder = Path(torchmetrics_lpips.__file__).with_name("lpips_models")
    linear = torch.load(folder / "alex.pth", map_location="cpu", weights_only=True)
    expected = torch.zeros(3)
    with torch.no_grad():
        for level, (x, y) in enumerate(zip(taps(backbone, a), taps(backbone, b), strict=True)):
            weight = linear[f"lin{level}.model.1.weight"][0]
            expected += ((x - y).square() * weight).sum(dim=1).mean(dim=(1, 2))
    distance = lpips(weights)
    torch.testing.assert_close(distance(a, b), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(distance(a, a), torch.zeros(3))


def test_a_clip_is_scored_over_its_frames(weights: Path) -> None:
    clip = tiny_clip(frames=3, arrival=1)
    scorer = LPIPSScorer(weights)
    assert scorer(clip.frames, clip) == {"lpips": pytest.approx(0.0, abs=1e-7)}
    assert scorer(clip.observed, clip)["lpips"] > 0.0
    with pytest.raises(ValueError, match=r"restored and clip.frames must have the same shape"):
        scorer(clip.frames[:2], clip)


def test_bad_files_and_sizes_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotPresentError, match=r"absent.pth; LPIPS needs AlexNet"):
        lpips(tmp_path / "absent.pth")
    other = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, other)
    with pytest.raises(ValueError, match=r"does not hold torchvision's AlexNet: features\.0"):
        lpips(other)
    with pytest.raises(ValueError, match=r"sides of at least 32 pixels .*\(16, 40\)"):
        lpips(weights)(torch.zeros(1, 3, 16, 40), torch.zeros(1, 3, 16, 40))
