"""The network of FID: its layout, its own pooling, its input, and torch-fidelity's answer."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffmvr.checks import WeightsNotPresentError
from diffmvr.metrics.inception import build_inception_2015, inception_2015, resized


def shell(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same names and shapes in next to no bytes."""
    return {name: torch.zeros((), dtype=t.dtype).expand(t.shape) for name, t in state.items()}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network = build_inception_2015().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


def test_layout_is_that_of_the_shared_file(network: nn.Module) -> None:
    state = network.state_dict()
    assert state["Conv2d_1a_3x3.conv.weight"].shape == (32, 3, 3, 3)
    assert state["Mixed_5b.branch_pool.conv.weight"].shape == (32, 192, 1, 1)
    assert state["Mixed_6b.branch7x7dbl_5.conv.weight"].shape == (192, 128, 1, 7)
    assert state["Mixed_7c.branch3x3dbl_3b.bn.running_var"].shape == (384,)
    assert state["fc.weight"].shape == (1008, 2048)
    # 94 convolutions, each with a batch norm of five tensors, and the classifier.
    assert len(state) == 94 * 6 + 2
    assert not any(name.startswith("AuxLogits") for name in state)


@pytest.mark.parametrize(
    ("block", "channels"), [("Mixed_5b", 192), ("Mixed_6b", 768), ("Mixed_7b", 1280)]
)
def test_averages_leave_the_padding_out(network: nn.Module, block: str, channels: int) -> None:
    part = getattr(network, block)
    ones = torch.ones(1, channels, 8, 8)
    # The mean of ones is one at the rim too, so the branch answers alike everywhere.
    pooled = part(ones)[:, -part.branch_pool.conv.out_channels :]
    torch.testing.assert_close(pooled, part.branch_pool(ones))


def test_the_last_block_takes_the_maximum(network: nn.Module) -> None:
    x = torch.rand(1, 2048, 8, 8, generator=torch.Generator().manual_seed(0))
    pooled = network.Mixed_7c(x)[:, -192:]
    expected = network.Mixed_7c.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1))
    torch.testing.assert_close(pooled, expected)


def test_input_is_299_pixels_about_zero() -> None:
    frames = resized(torch.tensor([-1.0, 1.0])[:, None, None, None].expand(2, 3, 20, 30))
    assert frames.shape == (2, 3, 299, 299)
    torch.testing.assert_close(frames[:, 0, 0, 0], torch.tensor([-1.0, 127.0 / 128.0]))


def test_a_file_is_read_and_named(network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "inception.pth"
    torch.save(shell(network.state_dict()), path)
    extractor = inception_2015(path)
    assert (extractor.name, extractor.num_features) == ("inception_2015", 2048)
    assert re.fullmatch("[0-9a-f]{64}", extractor.weight_hash)
    torch.save({"fc.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"inception.pth does not hold Inception3"):
        inception_2015(path)
    with pytest.raises(WeightsNotPresentError, match=r"absent.pth; FID needs .*`curl -L -o '"):
        inception_2015(tmp_path / "absent.pth")


def test_agrees_with_torch_fidelity(network: nn.Module, tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity", reason="the reference implementation is optional")
    from torchmetrics.image.fid import NoTrainInceptionV3

    path = tmp_path / "inception.pth"
    torch.save(network.state_dict(), path)
    theirs = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path))
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 64, 80), generator=generator, dtype=torch.uint8)
    ours = inception_2015(path)(images.float() / 127.5 - 1.0)
    torch.testing.assert_close(ours, theirs(images), rtol=1e-4, atol=1e-5)
