"""A small video-level inpainter: attention over all frames of a clip at once.

It follows STTN (Zeng et al., Learning Joint Spatial-Temporal Transformations for Video Inpainting,
ECCV 2020), the ancestor of FuseFormer, E2FGVI and ProPainter: frames are encoded at a quarter of
their side, every head cuts them into patches of its own size and lets each patch look at the
patches of all frames, hidden ones excepted, and a decoder draws the frames.

Ours is smaller, and departs from it so that minutes of training are enough.  As in E2FGVI (CVPR
2022) and ProPainter (ICCV 2023), pixels are carried from the frames before and after along a flow
that the network finds by itself: for each place it draws two flows, how much to believe each of the
two frames and the surroundings, and what differs from all three.  Queries and keys know where and
when they are, because a hole has no content to search by.

It sees the frames and the masks, and none of DiffMVR's guides.

B clips, T frames, N = B·T, C channels, h × w = H/4 × W/4, P patches of one clip.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from diffmvr.models.fourier_inpainter import check_clip
from diffmvr.models.propagation import NEVER, REACH, carry, matches, surroundings, warp

STRIDE = 4
HIDDEN_SHARE = 0.5
"""A patch of which more than this is hidden is not looked at (STTN, section 3.2)."""
UNSEEN = -1e4
"""Added to the score of a hidden patch; finite, so that a clip with nothing else stays defined."""
FLOW_SCALE = 4.0
"""Pixels of flow per unit that the network draws."""
FORGET = 1.4
"""By how much a candidate's log-weight falls with each frame that it is older than the other."""
SURROUNDINGS = -4.0
"""The surroundings' log-weight, relative to the nearest frame's."""
UNKNOWN = -12.0
"""The log-weight of what no frame has shown."""


class PatchAttention(nn.Module):
    """Every patch of a clip looks at the patches of all its frames; one patch size a head.

    Args:
        width: C.
        patch_sizes: side of each head's patches, in pixels of the quarter-size frames.
    """

    def __init__(self, width: int, patch_sizes: Sequence[int]) -> None:
        super().__init__()
        self.patch_sizes = tuple(patch_sizes)
        self.to_q = nn.Conv2d(width, width, kernel_size=1)
        self.to_k = nn.Conv2d(width, width, kernel_size=1)
        self.to_v = nn.Conv2d(width, width, kernel_size=1)
        self.to_out = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, x: Tensor, position: Tensor, hidden: Tensor, frames: int) -> Tensor:
        """Return what each place has found.

        Args:
            x: ``[N, C, h, w]``.
            position: ``[N, C, h, w]``, added to what queries and keys are made of.
            hidden: ``[N, 1, h, w]``, share of each place that is hidden.
            frames: T.
        """
        heads = len(self.patch_sizes)
        queries = self.to_q(x + position).chunk(heads, dim=1)
        keys = self.to_k(x + position).chunk(heads, dim=1)
        values = self.to_v(x).chunk(heads, dim=1)
        found = []
        for side, query, key, value in zip(self.patch_sizes, queries, keys, values, strict=True):
            share = F.avg_pool2d(hidden, side).flatten(1).unflatten(0, (-1, frames))
            # [B, 1, P]: the same for every query.
            bias = (share > HIDDEN_SHARE).to(x.dtype).mul(UNSEEN).flatten(1)[:, None]
            q, k, v = (_to_patches(part, side, frames) for part in (query, key, value))
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            found.append(_from_patches(attended, side, query.shape))
        result: Tensor = self.to_out(torch.cat(found, dim=1))
        return result


class TemporalBlock(nn.Module):
    """Patch attention, then convolutions, each with a shortcut.

    Args:
        width: C.
        patch_sizes: side of each head's patches.
    """

    def __init__(self, width: int, patch_sizes: Sequence[int]) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.attention = PatchAttention(width, patch_sizes)
        self.convolutions = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.Conv2d(width, width, kernel_size=3, padding=2, dilation=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, kernel_size=3, padding=1),
        )

    def forward(self, x: Tensor, position: Tensor, hidden: Tensor, frames: int) -> Tensor:
        """Return ``[N, C, h, w]``."""
        x = x + self.attention(self.norm(x), position, hidden, frames)
        refined: Tensor = x + self.convolutions(x)
        return refined


class TemporalInpainter(ModelMixin, ConfigMixin):
    """Encoder, blocks of attention over the whole clip, decoder.

    Args:
        width: C, channels at a quarter of the side.
        blocks: number of blocks.
        patch_sizes: side of each head's patches, in places of 4 × 4 pixels.

    Raises:
        ValueError: if ``width`` is no multiple of 12, or the heads do not share it evenly.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self, width: int = 72, blocks: int = 3, patch_sizes: tuple[int, ...] = (2, 4, 8)
    ) -> None:
        super().__init__()
        if not patch_sizes:
            raise ValueError("patch_sizes: expected at least one size, got none")
        if width % 12 or width % len(patch_sizes):
            raise ValueError(
                f"width: expected a multiple of 12 and of the {len(patch_sizes)} heads in "
                f"patch_sizes, got {width}"
            )
        half = width // 2
        self.encoder = nn.Sequential(
            nn.Conv2d(15, half, kernel_size=3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(half, half, kernel_size=3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(half, width, kernel_size=3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, kernel_size=3, padding=1),
        )
        self.matching = nn.Conv2d(2 * (2 * REACH + 1) ** 2, width, kernel_size=1)
        self.transformer = nn.ModuleList(TemporalBlock(width, patch_sizes) for _ in range(blocks))
        # Sub-pixel convolutions: as good as enlarging first, at a fraction of the time.
        self.decoder = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 4 * half, kernel_size=3, padding=1),
            nn.PixelShuffle(2),
            nn.LeakyReLU(0.2),
            last := nn.Conv2d(half, 4 * 10, kernel_size=3, padding=1),
            nn.PixelShuffle(2),
        )
        # An untrained network moves nothing and believes the nearest frame.
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    @property
    def multiple(self) -> int:
        """H and W have to be multiples of this."""
        return STRIDE * math.lcm(*self.config.patch_sizes)

    def forward(self, pixel_values: Tensor, mask: Tensor) -> Tensor:
        """Fill the holes of all frames together.

        Args:
            pixel_values: ``[B, T, 3, H, W]`` in [-1, 1]; what is in the hole is not looked at.
            mask: ``[B, T, 1, H, W]`` 0/1, 1 = fill.

        Returns:
            ``[B, T, 3, H, W]``, about [-1, 1].  Where nothing is hidden, the frame as the frames
            beside it show it: that is what teaches the flow.
        """
        b, t = check_clip(pixel_values, mask, self.multiple)
        holes = mask.flatten(0, 1)
        seen = pixel_values.flatten(0, 1) * (1 - holes)
        around = surroundings(seen, 1 - holes)
        candidates, ages = [], []
        for backward in (False, True):
            image, age = (part.flatten(0, 1) for part in carry(pixel_values, mask, backward))
            candidates.append(torch.where(age < NEVER, image, around))
            ages.append(age)

        recent = [1 / age for age in ages]
        x = self.encoder(torch.cat([seen, holes, *candidates, *recent, around], dim=1))
        found = [matches(seen, 1 - holes, image) for image in candidates]
        x = x + self.matching(torch.cat(found, dim=1))
        hidden = F.avg_pool2d(holes, STRIDE)
        position = place_and_time(t, *x.shape[1:]).to(x).repeat(b, 1, 1, 1)
        for block in self.transformer:
            x = block(x, position, hidden, t)

        flows, belief, difference = self.decoder(x).split([4, 3, 3], dim=1)
        moved = [
            warp(image, FLOW_SCALE * flow)
            for image, flow in zip(candidates, flows.chunk(2, dim=1), strict=True)
        ]
        weights = (belief + _prior(*ages)).softmax(dim=1)
        parts = (*moved, around)
        mixed = (weights[:, :, None] * torch.stack(parts, dim=1)).sum(dim=1)
        return (mixed + difference * holes).unflatten(0, (b, t))


def _prior(before: Tensor, after: Tensor) -> Tensor:
    """Return log-weights ``[N, 3, H, W]`` of the frame before, the one after, the surroundings."""
    nearest = torch.minimum(before, after)
    logs = [
        torch.where(age < NEVER, (FORGET * (nearest - age)).clamp(min=UNKNOWN), UNKNOWN)
        for age in (before, after)
    ]
    return torch.cat([*logs, torch.full_like(nearest, SURROUNDINGS)], dim=1)


def place_and_time(frames: int, channels: int, height: int, width: int) -> Tensor:
    """Return sines and cosines of where and when each place is, ``[T, C, h, w]``.

    A third of the channels each tell the frame, the row and the column, at wavelengths from 2π to
    2π · 100 frames or places.

    Args:
        frames: T.
        channels: C, a multiple of 6.
        height: h.
        width: w.
    """
    count = channels // 6
    rates = 100.0 ** -(torch.arange(count) / max(count - 1, 1))
    axes = (torch.arange(size).float() for size in (frames, height, width))
    waves = [torch.cat([fn(a[:, None] * rates) for fn in (torch.sin, torch.cos)], 1) for a in axes]
    time, row, column = waves
    size = (frames, height, width, -1)
    parts = (time[:, None, None], row[None, :, None], column[None, None])
    return torch.cat([part.expand(size) for part in parts], dim=-1).permute(0, 3, 1, 2)


def _to_patches(x: Tensor, side: int, frames: int) -> Tensor:
    """Cut ``[N, c, h, w]`` into ``[B, P, c·side²]``."""
    patches = F.pixel_unshuffle(x, side).flatten(2).transpose(1, 2)
    return patches.reshape(len(x) // frames, -1, patches.shape[-1])


def _from_patches(patches: Tensor, side: int, shape: torch.Size) -> Tensor:
    """Put ``[B, P, c·side²]`` together to ``[N, c, h, w]``."""
    n, _, h, w = shape
    grid = patches.reshape(n, -1, patches.shape[-1]).transpose(1, 2)
    return F.pixel_shuffle(grid.unflatten(2, (h // side, w // side)), side)
