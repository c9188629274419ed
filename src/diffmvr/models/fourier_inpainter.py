"""A single-frame inpainter of fast Fourier convolutions, as LaMa's (Suvorov et al., WACV 2022).

At ``width=64, downsamplings=3, blocks=18, global_share=0.75`` it *is* big-lama: names and shapes of
its weights are those of the public checkpoint (``generator.model.N.ffc.convl2l.weight`` …, see
``configs/training/big-lama.yaml`` of ``advimman/lama``).  At a smaller size it is the learned
single-frame rival that this project trains itself.

B clips, T frames, N images, H × W pixels.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from diffmvr.checks import check_number, check_same_shape, check_shape
from diffmvr.models.fourier_convolution import (
    FastFourierConvolution,
    FourierBlock,
    FourierLayer,
    JoinBranches,
)

MAX_WIDTH = 1024
"""Most channels of a layer, whatever its depth (as in the public code)."""
_PREFIXES = ("model.generator.", "generator.")
_COUNTER = "num_batches_tracked"


class FourierGenerator(nn.Module):
    """The generator: image and mask → image, ``[N, 4, H, W]`` → ``[N, 3, H, W]`` in [0, 1].

    Args:
        width: channels of the first layer; each downsampling doubles them.
        downsamplings: layers of stride 2 before the blocks; H and W are multiples of 2 to that.
        blocks: residual blocks.
        global_share: share of the blocks' channels that are global.
    """

    def __init__(self, width: int, downsamplings: int, blocks: int, global_share: float) -> None:
        super().__init__()
        widths = [min(width * 2**level, MAX_WIDTH) for level in range(downsamplings + 1)]
        glob = int(widths[-1] * global_share)
        inner = (widths[-1] - glob, glob)
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            FourierLayer(FastFourierConvolution((4, 0), (widths[0], 0), 7)),
        ]
        for level in range(downsamplings):
            last = level == downsamplings - 1
            outputs = inner if last else (widths[level + 1], 0)
            halving = FastFourierConvolution((widths[level], 0), outputs, 3, stride=2, padding=1)
            layers.append(FourierLayer(halving))
        layers += [FourierBlock(inner) for _ in range(blocks)]
        layers.append(JoinBranches())
        for level in reversed(range(downsamplings)):
            layers += [
                nn.ConvTranspose2d(
                    widths[level + 1], widths[level], 3, stride=2, padding=1, output_padding=1
                ),
                nn.BatchNorm2d(widths[level]),
                nn.ReLU(),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(widths[0], 3, kernel_size=7), nn.Sigmoid()]
        self.model = nn.Sequential(*layers)

    def forward(self, image_and_mask: Tensor) -> Tensor:
        """Return the whole image, hole and rest."""
        image: Tensor = self.model(image_and_mask)
        return image


class FourierInpainter(ModelMixin, ConfigMixin):
    """LaMa's generator behind the interface of this project's learned rivals.

    Every frame is restored by itself.

    Args:
        width: channels of the first layer.
        downsamplings: layers of stride 2.
        blocks: residual blocks.
        global_share: share of the blocks' channels that are global.

    Raises:
        ValueError: if a size is out of range.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self, width: int = 64, downsamplings: int = 3, blocks: int = 18, global_share: float = 0.75
    ) -> None:
        super().__init__()
        check_number("width", width, 4, MAX_WIDTH)
        check_number("downsamplings", downsamplings, 1, 5)
        check_number("blocks", blocks, 1, 100)
        check_number("global_share", global_share, 0.1, 0.9)
        self.generator = FourierGenerator(width, downsamplings, blocks, global_share)

    @property
    def multiple(self) -> int:
        """H and W have to be multiples of this."""
        factor: int = 2**self.config.downsamplings
        return factor

    def forward(self, pixel_values: Tensor, mask: Tensor) -> Tensor:
        """Fill the hole of every frame.

        Args:
            pixel_values: ``[B, T, 3, H, W]`` in [-1, 1]; what is in the hole is not looked at.
            mask: ``[B, T, 1, H, W]`` 0/1, 1 = fill.

        Returns:
            ``[B, T, 3, H, W]`` in [-1, 1], hole and rest as the network draws them.
        """
        b, t = check_clip(pixel_values, mask, self.multiple)
        images = self.fill(pixel_values.flatten(0, 1).add(1).div(2), mask.flatten(0, 1))
        return images.mul(2).sub(1).unflatten(0, (b, t))

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill images as LaMa takes them: ``[N, 3, H, W]`` in [0, 1] and ``[N, 1, H, W]`` 0/1."""
        drawn: Tensor = self.generator(torch.cat([image * (1 - mask), mask], dim=1))
        return drawn

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "FourierInpainter":
        """Build the network that a checkpoint's weights are of, and load them.

        Args:
            weights: names as in the public checkpoints: ``generator.…``, or ``model.generator.…``
                as in TorchScript files.  What belongs to other parts (the discriminator, losses) is
                left out.

        Raises:
            ValueError: if they are no such generator's, or some are missing or of another shape.
        """
        own = _generator_weights(weights)
        settings = _settings_of(own)
        network = cls(**settings)
        expected = network.state_dict()
        # Saved or not, the counters say nothing about the network.
        offered = {name: value for name, value in own.items() if not name.endswith(_COUNTER)}
        wanted = {name: value for name, value in expected.items() if not name.endswith(_COUNTER)}
        differing = sorted(
            name
            for name in offered.keys() | wanted.keys()
            if name not in offered
            or name not in wanted
            or offered[name].shape != wanted[name].shape
        )
        if differing:
            first = differing[0]
            raise ValueError(
                f"weights: {len(differing)} differ from those of a Fourier inpainter of {settings}"
                f", the first is {first}: {_shape(offered, first)} instead of "
                f"{_shape(wanted, first)}; give LaMa's generator with Fourier convolutions"
            )
        network.load_state_dict(expected | offered)
        return network.eval()


def check_clip(pixel_values: Tensor, mask: Tensor, multiple: int) -> tuple[int, int]:
    """Require frames ``[B, T, 3, H, W]`` and masks ``[B, T, 1, H, W]`` that a network can take.

    Returns:
        B and T.

    Raises:
        ValueError: if a shape is wrong, or H or W is no multiple of ``multiple``.
    """
    check_shape("pixel_values", pixel_values, (None, None, 3, None, None))
    check_same_shape("mask", mask, "pixel_values[:, :, :1]", pixel_values[:, :, :1])
    b, t, _, height, width = pixel_values.shape
    if height % multiple or width % multiple:
        raise ValueError(
            f"pixel_values: expected sides that are multiples of {multiple}, got {height} × "
            f"{width}; pad the frames"
        )
    return b, t


def _generator_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        own = {
            "generator." + name.removeprefix(prefix): value
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        if own:
            return own
    raise ValueError(
        f"weights: expected names that begin with generator.model, got {sorted(weights)[:3]}; give "
        "the state dict of LaMa's generator"
    )


def _settings_of(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of the network that ``generator.…`` weights are of."""
    split = [name.split(".") for name in weights]
    layers = {int(parts[2]) for parts in split if parts[3] == "ffc"}
    blocks = {int(parts[2]) for parts in split if parts[3] == "conv1"}
    first = weights.get("generator.model.1.ffc.convl2l.weight")
    last = f"generator.model.{max(layers, default=0)}.ffc"
    local = weights.get(f"{last}.convl2l.weight")
    glob = weights.get(f"{last}.convl2g.weight")
    if first is None or local is None or glob is None or not blocks:
        raise ValueError(
            "weights: expected generator.model.1.ffc.convl2l.weight and blocks of Fourier "
            f"convolutions, got {sorted(weights)[:3]}; LaMa's models without Fourier convolutions "
            "(lama-regular) cannot be loaded"
        )
    return {
        "width": len(first),
        "downsamplings": len(layers) - 1,
        "blocks": len(blocks),
        "global_share": len(glob) / (len(local) + len(glob)),
    }


def _shape(weights: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(weights[name].shape)) if name in weights else "absent"
