"""LPIPS: distance of two images in the layers of a classifier (Zhang et al., CVPR 2018).

AlexNet with torchvision's ImageNet weights, from a local path, beneath the linear weights v0.1 that
come with torchmetrics; whole frames.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from diffmvr.checks import check_same_shape
from diffmvr.metrics.extractors import present
from diffmvr.metrics.ground_truth import true_frames
from diffmvr.published_weights import published_weights
from diffmvr.structures import Clip, UInt8Array, to_pixel_values
from diffmvr.tensor_files import read_tensors

MIN_SIDE = 32

PerceptualDistance = Callable[[Tensor, Tensor], Tensor]
"""Two ``[N, 3, H, W]`` in [-1, 1] → ``[N]`` distances."""


def lpips(weights: str | Path, device: str = "cpu") -> PerceptualDistance:
    """Return the LPIPS distance on AlexNet.

    Args:
        weights: path of torchvision's AlexNet, ``alexnet-owt-7be5be79.pth`` (read without
            unpickling code).
        device: where the network runs.

    Raises:
        WeightsNotPresentError: if the file is absent; the message names the path.
        ValueError: if the file holds another network.
    """
    # The metric around it would download the backbone, so the network itself is taken.
    from torchmetrics.functional.image.lpips import _LPIPS

    how = published_weights()["lpips"].remedy(weights)
    path = present(weights, f"LPIPS needs AlexNet there: {how}")
    network = _LPIPS(net="alex", pnet_rand=True).eval()
    state = read_tensors(path)
    backbone = network.net.state_dict()
    # Layer features.3 of torchvision's network is slice2.3 here.
    names = {name: f"features.{name.partition('.')[2]}" for name in backbone}
    wrong = [
        source
        for name, source in names.items()
        if source not in state or state[source].shape != backbone[name].shape
    ]
    if wrong:
        raise ValueError(
            f"weights: {path} does not hold torchvision's AlexNet: {wrong[0]} and "
            f"{len(wrong) - 1} more are absent or of another shape; give the file of this network"
        )
    network.net.load_state_dict({name: state[source] for name, source in names.items()})
    return distance_by(network.to(device), "AlexNet", device)


def distance_by(network: nn.Module, name: str, device: str) -> PerceptualDistance:
    """Return the distance that a network of two images finds; it refuses images too small for it.

    Args:
        network: of two ``[N, 3, H, W]`` in [-1, 1], N distances in any shape.
        name: for messages.
        device: where the network is.
    """

    @torch.no_grad()
    def distance(a: Tensor, b: Tensor) -> Tensor:
        check_same_shape("a", a, "b", b)
        if min(a.shape[-2:]) < MIN_SIDE:
            raise ValueError(
                f"a: expected sides of at least {MIN_SIDE} pixels for {name}, "
                f"got {tuple(a.shape[-2:])}; score larger frames"
            )
        found: Tensor = network(a.float().to(device), b.float().to(device))
        return found.flatten().cpu()

    return distance


class LPIPSScorer:
    """Scores clips: ``lpips``, the mean over all frames.

    Args:
        weights: see :func:`lpips`.
        device: where the network runs.
    """

    def __init__(self, weights: str | Path, device: str = "cpu") -> None:
        self.distance = lpips(weights, device)

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Return the score of a restored clip ``[T, H, W, 3]``.

        Raises:
            ValueError: if the ground truth is unknown or the shapes differ.
        """
        return {"lpips": mean_distance(self.distance, restored, clip)}


def mean_distance(distance: PerceptualDistance, restored: UInt8Array, clip: Clip) -> float:
    """Return the mean distance of restored frames ``[T, H, W, 3]`` from the clean ones.

    Raises:
        ValueError: if the ground truth is unknown or the shapes differ.
    """
    frames = true_frames(clip, restored)
    return float(distance(to_pixel_values(restored), to_pixel_values(frames)).mean())
