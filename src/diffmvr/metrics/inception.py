"""The network of FID: Inception v3 as of 2015-12-05, in the PyTorch port that FID tools share.

Its weights are not torchvision's, and it pools differently in nine blocks, as the port's authors
found: averages leave the padding out, and the last block takes a maximum.
Input as torchmetrics has it: 299 × 299 by antialiased bilinear resizing, (x − 128) / 128.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception

from diffmvr.files import hash_files
from diffmvr.metrics.extractors import INCEPTION_NAME, FrameExtractor
from diffmvr.metrics.published_networks import load_published
from diffmvr.published_weights import published_weights

FEATURES = 2048
SIDE = 299
CLASSES = 1008


class _OwnPool:
    """Mixed into a block of torchvision's: its pooling branch, the last, is fed by another pool."""

    branch_pool: nn.Module

    def _forward(self, x: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = super()._forward(x)  # type: ignore[misc]
        return [*outputs[:-1], self.branch_pool(self.pool(x))]

    def pool(self, x: Tensor) -> Tensor:
        """Average over 3 × 3 pixels, those of the padding left out."""
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _BlockA(_OwnPool, inception.InceptionA):
    pass


class _BlockC(_OwnPool, inception.InceptionC):
    pass


class _BlockE(_OwnPool, inception.InceptionE):
    pass


class _LastBlock(_BlockE):
    def pool(self, x: Tensor) -> Tensor:
        """Take the maximum over 3 × 3 pixels."""
        return F.max_pool2d(x, 3, stride=1, padding=1)


def build_inception_2015() -> inception.Inception3:
    """Return the network without its weights; its state dict has the names of the shared file."""
    # Torchvision's own random weights take long, and are of no use here.
    network = inception.Inception3(num_classes=CLASSES, aux_logits=False, init_weights=False)
    blocks: dict[str, nn.Module] = {
        "Mixed_5b": _BlockA(192, pool_features=32),
        "Mixed_5c": _BlockA(256, pool_features=64),
        "Mixed_5d": _BlockA(288, pool_features=64),
        "Mixed_6b": _BlockC(768, channels_7x7=128),
        "Mixed_6c": _BlockC(768, channels_7x7=160),
        "Mixed_6d": _BlockC(768, channels_7x7=160),
        "Mixed_6e": _BlockC(768, channels_7x7=192),
        "Mixed_7b": _BlockE(1280),
        "Mixed_7c": _LastBlock(2048),
    }
    for name, block in blocks.items():
        setattr(network, name, block)
    return network


def inception_2015(weights: str | Path, device: str = "cpu") -> FrameExtractor:
    """Return the 2048 features of the last pooling of Inception 2015: those of FID.

    Args:
        weights: path of ``pt_inception-2015-12-05-6726825d.pth`` (read without unpickling code).
        device: where the network runs.

    Raises:
        WeightsNotPresentError: if the file is absent; the message names the path.
        ValueError: if the file holds another network.
    """
    how = published_weights()["inception"].remedy(weights)
    remedy = f"FID needs Inception 2015 there: {how}"
    network, path = load_published(build_inception_2015, weights, remedy, device)
    # What is left is the pooled vector; in eval mode the dropout before it does nothing.
    network.fc = nn.Identity()

    def pooled(frames: Tensor) -> Tensor:
        return network(resized(frames.to(device)))

    return FrameExtractor(INCEPTION_NAME, FEATURES, pooled, hash_files(path))


def resized(frames: Tensor) -> Tensor:
    """Bring ``[N, 3, H, W]`` in [-1, 1] to the network's size and range."""
    images = (frames.float() + 1.0) * 127.5
    images = F.interpolate(
        images, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
    )
    return (images - 128.0) / 128.0
