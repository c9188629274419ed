"""The network of VFID: names and shapes of the public checkpoint, TensorFlow's padding."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError
from diffmvr.metrics.frechet import FrechetVideoDistance
from diffmvr.metrics.i3d_rgb import I3D, MaxPool, Unit3D, i3d_rgb, pad_same

# Inception v1 (Szegedy et al. 2015, Table 1): 1×1, 3×3 reduce, 3×3, "5×5" reduce, "5×5", pool; the
# larger filter is 3×3×3 in I3D, and 4f, 5b, 5c are Inception's 4e, 5a, 5b.
TABLE = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def convolutions() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "Conv3d_1a_7x7", (64, 3, 7, 7, 7)
    yield "Conv3d_2b_1x1", (64, 64, 1, 1, 1)
    yield "Conv3d_2c_3x3", (192, 64, 3, 3, 3)
    channels = 192
    for block, (b0, b1a, b1b, b2a, b2b, b3b) in TABLE.items():
        yield f"{block}.b0", (b0, channels, 1, 1, 1)
        yield f"{block}.b1a", (b1a, channels, 1, 1, 1)
        yield f"{block}.b1b", (b1b, b1a, 3, 3, 3)
        yield f"{block}.b2a", (b2a, channels, 1, 1, 1)
        yield f"{block}.b2b", (b2b, b2a, 3, 3, 3)
        yield f"{block}.b3b", (b3b, channels, 1, 1, 1)
        channels = b0 + b1b + b2b + b3b


def checkpoint() -> dict[str, Tensor]:
    """The public file's layout; it was saved before batch norms counted their batches."""
    state = {}
    for name, shape in convolutions():
        fan_in = shape[1] * shape[2] * shape[3] * shape[4]
        state[f"{name}.conv3d.weight"] = torch.tensor(1.0 / fan_in).expand(shape)
        for part, value in (("weight", 1.0), ("bias", 0.0)):
            state[f"{name}.bn.{part}"] = torch.tensor(value).expand(shape[0])
        for part, value in (("running_mean", 0.0), ("running_var", 1.0 - 1e-3)):
            state[f"{name}.bn.{part}"] = torch.tensor(value).expand(shape[0])
    state["logits.conv3d.weight"] = torch.tensor(0.0).expand(400, 1024, 1, 1, 1)
    state["logits.conv3d.bias"] = torch.tensor(0.0).expand(400)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "i3d_rgb_imagenet.pt"
    torch.save(checkpoint(), path)
    return path


def test_names_and_shapes_are_those_of_the_checkpoint() -> None:
    with torch.device("meta"):
        network = I3D()
    own = {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert own == {name: tuple(tensor.shape) for name, tensor in checkpoint().items()}
    # What the published network with 400 classes has.
    assert sum(p.numel() for p in network.parameters()) == 12_697_264


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [(64, 7, 2, 2, 3), (65, 7, 2, 3, 3), (8, 3, 1, 1, 1), (9, 3, 2, 1, 1), (8, 3, 2, 0, 1)],
)
def test_padding_is_tensorflows(
    size: int, kernel: int, stride: int, before: int, after: int
) -> None:
    # TensorFlow: out = ceil(size / stride), total = (out - 1) * stride + kernel - size.
    assert before + after == (-(-size // stride) - 1) * stride + kernel - size
    x = torch.ones(1, 1, 1, 1, size)
    padded = pad_same(x, (1, 1, kernel), (1, 1, stride))[0, 0, 0, 0]
    expected = [0.0] * before + [1.0] * size + [0.0] * after
    assert padded.tolist() == expected


def test_axes_are_padded_apart() -> None:
    x = torch.rand(1, 2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    padded = pad_same(x, (3, 1, 2), (1, 1, 2))
    torch.testing.assert_close(padded, F.pad(x, (0, 1, 0, 0, 1, 1)))


def test_a_unit_normalises_and_cuts_off() -> None:
    unit = Unit3D(1, 2).eval()
    unit.conv3d.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1, 1)
    x = torch.full((1, 1, 1, 2, 2), 3.0)
    expected = torch.tensor([3.0 / (1.0 + 1e-3) ** 0.5, 0.0])
    torch.testing.assert_close(unit(x)[0, :, 0, 0, 0], expected)
    assert MaxPool((1, 3, 3), (1, 2, 2))(x).shape == (1, 1, 1, 1, 1)


def test_features_are_the_mean_of_the_last_block(weights: Path) -> None:
    # Averaging filters keep a constant video but for what the zeros of the padding take.
    extractor = i3d_rgb(weights)
    assert (extractor.name, extractor.num_features) == ("i3d_rgb_imagenet", 1024)
    features = extractor(torch.stack([torch.zeros(9, 3, 40, 33), torch.ones(9, 3, 40, 33)]))
    assert features.shape == (2, 1024)
    # In [0, 1] these are 0.5 and 1, and without biases the network is linear in brightness.
    torch.testing.assert_close(2 * features[0], features[1])
    assert float(features[1].min()) > 0.01
    black = extractor(torch.full((1, 9, 3, 40, 33), -1.0))
    torch.testing.assert_close(black, torch.zeros(1, 1024))
    assert FrechetVideoDistance(extractor).name == "vfid"


def test_bad_files_and_sizes_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotPresentError, match=r"absent.pt; VFID needs I3D .*curl -L -o"):
        i3d_rgb(tmp_path / "absent.pt")
    other = tmp_path / "other.pt"
    torch.save({"conv.weight": torch.zeros(2)}, other)
    with pytest.raises(ValueError, match=r"other.pt does not hold I3D"):
        i3d_rgb(other)
    with pytest.raises(ValueError, match=r"side of the frames: .*got 16"):
        i3d_rgb(weights)(torch.zeros(1, 9, 3, 16, 40))
