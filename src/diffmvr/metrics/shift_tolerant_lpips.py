"""ST-LPIPS: LPIPS that hardly minds a shift of a pixel (Ghildyal and Liu, ECCV 2022).

AlexNet whose first convolution keeps every pixel and whose strides blur before they skip, trained
anew with linear weights of its own.  Its distances are not LPIPS's, and are never called so.  The
network is written here from the paper; its weights come with the package ``stlpips_pytorch``, of
which no code is run.

N images, H × W pixels.
"""

from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffmvr.metrics.perceptual import PerceptualDistance, distance_by, mean_distance
from diffmvr.metrics.published_networks import load_published, packaged_file
from diffmvr.structures import Clip, UInt8Array

PACKAGE = "stlpips_pytorch"
WEIGHTS = Path("weights") / "vST0.0" / "alex_shift_tolerant.pth"
REMEDY = "ST-LPIPS needs the weights that this package ships; pip install 'diffmvr[perception]'"

CHANNELS = (64, 192, 384, 256, 256)
EPSILON = 1e-10


def st_lpips(weights: str | Path | None = None, device: str = "cpu") -> PerceptualDistance:
    """Return the ST-LPIPS distance on AlexNet.

    Args:
        weights: path of ``alex_shift_tolerant.pth`` (read without unpickling code); ``None``: the
            one that the installed package has.
        device: where the network runs.

    Returns:
        Of two ``[N, 3, H, W]`` in [-1, 1] the ``[N]`` distances, at least 0.

    Raises:
        WeightsNotPresentError: if there is no such file; the message names it.
        ValueError: if the file holds another network.
    """
    file = weights or packaged_file(PACKAGE, WEIGHTS)
    network, _ = load_published(_Network, file, REMEDY, device)
    return distance_by(network, "ST-LPIPS", device)


class ShiftTolerantLPIPSScorer:
    """Scores clips: ``st_lpips``, the mean over all frames.

    Args:
        weights: see :func:`st_lpips`.
        device: where the network runs.
    """

    def __init__(self, weights: str | Path | None = None, device: str = "cpu") -> None:
        self.distance = st_lpips(weights, device)

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Return the score of a restored clip ``[T, H, W, 3]``.

        Raises:
            ValueError: if the ground truth is unknown or the shapes differ.
        """
        return {"st_lpips": mean_distance(self.distance, restored, clip)}


class _Blur(nn.Module):
    """Every second pixel of what a binomial filter leaves; reflected at the edges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", torch.empty(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, self.get_buffer("filt"), stride=2, groups=x.shape[1])


class _Scaling(nn.Module):
    """From [-1, 1] to what the network was trained on."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("shift", "scale"):
            self.register_buffer(name, torch.empty(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.get_buffer("shift")) / self.get_buffer("scale")


class _Network(nn.Module):
    """Both images through AlexNet, their normalised features compared.  Named as in the file."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = CHANNELS
        layers: list[nn.Module] = [
            nn.Conv2d(3, a, 11, padding=2),
            *(_Blur(a), nn.ReLU()),
            *(nn.MaxPool2d(3, 1), _Blur(a), nn.Conv2d(a, b, 5, padding=2), nn.ReLU()),
            *(nn.MaxPool2d(3, 1), _Blur(b), nn.Conv2d(b, c, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(c, d, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(d, e, 3, padding=1), nn.ReLU()),
        ]
        ends = [0, *(k + 1 for k, layer in enumerate(layers) if isinstance(layer, nn.ReLU))]
        self.scaling_layer = _Scaling()
        self.net = nn.ModuleDict(
            {
                f"slice{k + 1}": nn.Sequential(
                    OrderedDict((str(i), layers[i]) for i in range(ends[k], ends[k + 1]))
                )
                for k in range(len(CHANNELS))
            }
        )
        for k, width in enumerate(CHANNELS):
            # What is first there drops out in training.
            linear = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))
            self.add_module(f"lin{k}", nn.ModuleDict({"model": linear}))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        x = self.scaling_layer(torch.cat([a, b]))
        total = x.new_zeros(len(a))
        for k, part in enumerate(self.net.values()):
            x = part(x)
            features = x / (x.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)
            first, second = features.chunk(2)
            linear = self.get_submodule(f"lin{k}.model")
            total = total + linear((first - second).square()).mean(dim=(1, 2, 3))
        return total
