"""Fast Fourier convolutions, the building block of LaMa (Suvorov et al., WACV 2022, section 2.1).

A layer keeps two sets of channels: a *local* one seen through k × k windows, and a *global* one
that is also filtered in the Fourier domain, where one 1 × 1 convolution reaches the whole image
(Chi et al., Fast Fourier Convolution, NeurIPS 2020).  Parameters are named as in the public
implementation (``advimman/lama``, ``saicinpainting/training/modules/ffc.py``), so that its
checkpoints load; the code is our own.

N images, C channels, h × w pixels.
"""

import torch
from torch import Tensor, nn

Branches = tuple[Tensor, Tensor | None]
"""Local channels ``[N, C_l, h, w]``, and global ones ``[N, C_g, h, w]`` if there are any."""


class FourierUnit(nn.Module):
    """A 1 × 1 convolution between the real and imaginary parts of the image's spectrum.

    Args:
        channels: C, in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Filter ``[N, C, h, w]``; the transform is in float32 whatever the precision around it."""
        n, c, h, w = x.shape
        # In half precision the unscaled sums of the transform overflow.
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.view_as_real(torch.fft.rfft2(x.float(), norm="ortho"))
        # Real and imaginary part of one channel lie side by side: [N, 2C, h, w/2 + 1].
        parts = spectrum.permute(0, 1, 4, 2, 3).reshape(n, 2 * c, h, -1).to(x.dtype)
        parts = torch.relu(self.bn(self.conv_layer(parts)))
        pairs = parts.reshape(n, c, 2, h, -1).permute(0, 1, 3, 4, 2).float().contiguous()
        with torch.autocast(x.device.type, enabled=False):
            filtered = torch.fft.irfft2(torch.view_as_complex(pairs), s=(h, w), norm="ortho")
        return filtered.to(x.dtype)


class SpectralTransform(nn.Module):
    """The path from global to global channels: narrow, filter the spectrum, add, widen.

    Args:
        in_channels: channels of the global part that comes in.
        out_channels: and of the one that leaves; the spectrum is filtered at half of them.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, half, kernel_size=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
        )
        self.fu = FourierUnit(half)
        self.conv2 = nn.Conv2d(half, out_channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, C_in, h, w]`` to ``[N, C_out, h, w]``."""
        narrow = self.conv1(x)
        widened: Tensor = self.conv2(narrow + self.fu(narrow))
        return widened


class FastFourierConvolution(nn.Module):
    """Four paths between local and global channels; a path without channels does not exist.

    Args:
        in_channels: local and global channels that come in; local ones always do.
        out_channels: local and global channels that leave, likewise.
        kernel_size: k.
        stride: of the three convolutions; 2 only where no global channels come in.
        padding: of the three convolutions, by reflection.
    """

    def __init__(
        self,
        in_channels: tuple[int, int],
        out_channels: tuple[int, int],
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()

        def convolution(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(
                inputs,
                outputs,
                kernel_size,
                stride,
                padding,
                bias=False,
                padding_mode="reflect",
            )

        self.out_channels = out_channels
        (local_in, global_in), (local_out, global_out) = in_channels, out_channels
        self.convl2l = convolution(local_in, local_out)
        self.convl2g = convolution(local_in, global_out) if global_out else None
        self.convg2l = convolution(global_in, local_out) if global_in else None
        both = global_in and global_out
        self.convg2g = SpectralTransform(global_in, global_out) if both else None

    def forward(self, branches: Branches) -> Branches:
        """Return the new local and global channels."""
        x_local, x_global = branches
        local: Tensor = self.convl2l(x_local)
        if self.convg2l is not None:
            local = local + self.convg2l(x_global)
        glob: Tensor | None = None
        if self.convl2g is not None:
            glob = self.convl2g(x_local)
            if self.convg2g is not None:
                glob = glob + self.convg2g(x_global)
        return local, glob


class FourierLayer(nn.Module):
    """A fast Fourier convolution, batch normalisation and ReLU, of both parts.

    Args:
        ffc: the convolution.
    """

    def __init__(self, ffc: FastFourierConvolution) -> None:
        super().__init__()
        self.ffc = ffc
        local, glob = ffc.out_channels
        self.bn_l = nn.BatchNorm2d(local)
        self.bn_g = nn.BatchNorm2d(glob) if glob else None

    def forward(self, x: Tensor | Branches) -> Branches:
        """Take the first layer's image, ``[N, C, h, w]``, or the parts of the layer before."""
        local, glob = self.ffc((x, None) if isinstance(x, Tensor) else x)
        return (
            torch.relu(self.bn_l(local)),
            None if self.bn_g is None else torch.relu(self.bn_g(glob)),
        )


class FourierBlock(nn.Module):
    """Two layers and a shortcut around them.

    Args:
        channels: local and global channels.
    """

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = FourierLayer(FastFourierConvolution(channels, channels, 3, padding=1))
        self.conv2 = FourierLayer(FastFourierConvolution(channels, channels, 3, padding=1))

    def forward(self, x: Branches) -> Branches:
        """Return both parts, unchanged in shape."""
        local, glob = self.conv2(self.conv1(x))
        return x[0] + local, None if x[1] is None else x[1] + glob


class JoinBranches(nn.Module):
    """Puts the global channels behind the local ones."""

    def forward(self, x: Branches) -> Tensor:
        """Return ``[N, C_l + C_g, h, w]``."""
        return x[0] if x[1] is None else torch.cat([x[0], x[1]], dim=1)
