"""The network of VFID as video inpainting papers report it: I3D, RGB, ImageNet + Kinetics.

Carreira & Zisserman, "Quo Vadis, Action Recognition?" (CVPR 2017), Inception-v1 inflated to 3D.
Names and shapes of the state dict are those of the public PyTorch conversion,
``rgb_imagenet.pt``; ProPainter and E2FGVI take the 1024 channels of ``Mixed_5c``, averaged over
time and space, from frames in [0, 1] at their own size.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffmvr.checks import check_number
from diffmvr.files import hash_files
from diffmvr.metrics.extractors import I3D_FEATURES, I3D_RGB_NAME, FeatureExtractor
from diffmvr.metrics.published_networks import load_published
from diffmvr.published_weights import published_weights

FEATURES = 1024
MIN_SIDE = 32

# Widths of a block: 1×1; reduced, 3×3; reduced, 3×3; after the pool.
BLOCKS = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}


def pad_same(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Pad ``[B, C, T, H, W]`` with zeros as TensorFlow's ``SAME`` does: the odd one at the end."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max(k - (size % s or s), 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class Unit3D(nn.Module):
    """Convolution, batch norm and ReLU, or with ``bare`` a convolution with bias alone."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int = 1, stride: int = 1, bare: bool = False
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels_in, channels, kernel, stride, bias=bare)
        self.bn = None if bare else nn.BatchNorm3d(channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, T, H, W]``."""
        x = self.conv3d(pad_same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class MaxPool(nn.Module):
    """Maximum over a window, padded as TensorFlow does."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, T, H, W]``, values ≥ 0 (the padding is 0)."""
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Block(nn.Module):
    """Four branches side by side."""

    def __init__(self, channels_in: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.b0 = Unit3D(channels_in, widths[0])
        self.b1a = Unit3D(channels_in, widths[1])
        self.b1b = Unit3D(widths[1], widths[2], kernel=3)
        self.b2a = Unit3D(channels_in, widths[3])
        self.b2b = Unit3D(widths[3], widths[4], kernel=3)
        self.b3a = MaxPool((3, 3, 3), (1, 1, 1))
        self.b3b = Unit3D(channels_in, widths[5])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, T, H, W]``."""
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x)))
        return torch.cat(branches, dim=1)


class I3D(nn.Sequential):
    """The network up to ``Mixed_5c``, and its classifier, which a state dict also holds."""

    def __init__(self) -> None:
        mixed = {name: Block(*sizes) for name, sizes in BLOCKS.items()}
        parts: list[tuple[str, nn.Module]] = [
            ("Conv3d_1a_7x7", Unit3D(3, 64, kernel=7, stride=2)),
            ("MaxPool3d_2a_3x3", MaxPool((1, 3, 3), (1, 2, 2))),
            ("Conv3d_2b_1x1", Unit3D(64, 64)),
            ("Conv3d_2c_3x3", Unit3D(64, 192, kernel=3)),
            ("MaxPool3d_3a_3x3", MaxPool((1, 3, 3), (1, 2, 2))),
            *((name, block) for name, block in mixed.items() if name.startswith("Mixed_3")),
            ("MaxPool3d_4a_3x3", MaxPool((3, 3, 3), (2, 2, 2))),
            *((name, block) for name, block in mixed.items() if name.startswith("Mixed_4")),
            ("MaxPool3d_5a_2x2", MaxPool((2, 2, 2), (2, 2, 2))),
            *((name, block) for name, block in mixed.items() if name.startswith("Mixed_5")),
            ("logits", Unit3D(FEATURES, I3D_FEATURES, bare=True)),
        ]
        super().__init__(OrderedDict(parts))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features ``[B, 1024, T', H', W']`` of ``Mixed_5c`` for ``[B, 3, T, H, W]``."""
        for name, part in self.named_children():
            if name != "logits":
                x = part(x)
        return x


def i3d_rgb(weights: str | Path, device: str = "cpu") -> FeatureExtractor:
    """Return the 1024 features of VFID.

    Args:
        weights: path of ``rgb_imagenet.pt`` (read without unpickling code).
        device: where the network runs.

    Raises:
        WeightsNotPresentError: if the file is absent; the message names the path.
        ValueError: if the file holds another network.
    """
    remedy = f"VFID needs I3D there: {published_weights()['i3d_rgb'].remedy(weights)}"
    network, path = load_published(I3D, weights, remedy, device)

    def pooled(videos: Tensor) -> Tensor:
        check_number("side of the frames", min(videos.shape[-2:]), MIN_SIDE, float("inf"))
        clips = (videos.to(device).float() * 0.5 + 0.5).movedim(2, 1)  # [B, 3, T, H, W]
        return network(clips).mean(dim=(2, 3, 4))

    return FeatureExtractor(I3D_RGB_NAME, FEATURES, pooled, hash_files(path))
