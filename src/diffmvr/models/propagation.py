"""What other frames show of a place, carried through time and moved by a flow.

B clips, T frames, N images, H × W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

NEVER = 100.0
"""Age of a place that no frame has shown."""
SPREAD = 0.06
"""Weight of a window of the surroundings, relative to the one of half its side."""

REACH = 3
"""Matches are sought this many half-size pixels to either side: 6 pixels."""
SHARPNESS = 20.0
"""How fast belief in a match falls with the mean difference of its pixels, in units of [-1, 1]."""


def carry(pixel_values: Tensor, mask: Tensor, backward: bool = False) -> tuple[Tensor, Tensor]:
    """Return what was last seen of each place before each frame, where it stood then.

    Args:
        pixel_values: ``[B, T, 3, H, W]``; what is in the hole is not looked at.
        mask: ``[B, T, 1, H, W]`` 0/1, 1 = hidden.
        backward: what will next be seen after each frame, instead.

    Returns:
        ``[B, T, 3, H, W]``, 0 where nothing was seen; and its age in frames, ``[B, T, 1, H, W]``,
        at most ``NEVER``.
    """
    if backward:
        image, age = carry(pixel_values.flip(1), mask.flip(1))
        return image.flip(1), age.flip(1)
    last = torch.zeros_like(pixel_values[:, 0])
    since = torch.full_like(mask[:, 0], NEVER)
    images, ages = [], []
    for t in range(mask.shape[1]):
        images.append(last)
        ages.append(since)
        hidden = mask[:, t] > 0
        last = torch.where(hidden, last, pixel_values[:, t])
        since = torch.where(hidden, (since + 1).clamp(max=NEVER), torch.ones_like(since))
    return torch.stack(images, 1), torch.stack(ages, 1)


def surroundings(images: Tensor, known: Tensor) -> Tensor:
    """Return at each place the mean of what is known around it, the nearest by far most.

    Args:
        images: ``[N, 3, H, W]``; only what is known is looked at.
        known: ``[N, 1, H, W]`` 0/1.

    Returns:
        ``[N, 3, H, W]``, 0 where nothing at all is known.
    """
    height, width = images.shape[-2:]
    summed = torch.cat([images * known, known], dim=1)
    total = torch.zeros_like(summed)
    for level in range(1, max(height, width).bit_length()):
        summed = F.avg_pool2d(summed, 2, ceil_mode=True)
        wide = F.interpolate(summed, size=(height, width), mode="bilinear", align_corners=False)
        total = total + SPREAD**level * wide
    weight = total[:, 3:]
    return total[:, :3] / torch.where(weight > 0, weight, torch.ones_like(weight))


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Return images as seen at p + flow(p), bilinearly; beyond the edge the edge goes on.

    Args:
        images: ``[N, 3, H, W]``.
        flow: ``[N, 2, H, W]`` in pixels, x then y.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    x, y = columns + flow[:, 0], rows[:, None] + flow[:, 1]
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=True)


def matches(seen: Tensor, visible: Tensor, image: Tensor) -> Tensor:
    """Return by how far each place of ``image`` may have moved to be what is seen.

    Half-size pictures are compared at every shift in a window of 24 pixels, over what is visible
    there; a flow is a weighted sum of the result.

    Args:
        seen: ``[N, 3, H, W]``.
        visible: ``[N, 1, H, W]`` 0/1, where ``seen`` counts.
        image: ``[N, 3, H, W]``.

    Returns:
        ``[N, (2·REACH + 1)², H/4, W/4]``, a distribution over shifts, row by row, at every place;
        0 where nothing near is visible.
    """
    side = 2 * REACH + 1
    small, target = F.avg_pool2d(image, 2), F.avg_pool2d(seen, 2)
    counted = (F.avg_pool2d(visible, 2) == 1).to(seen.dtype)
    padded = F.pad(small, [REACH] * 4, mode="replicate")
    shifted = F.unfold(padded, side).view(len(image), 3, side**2, *small.shape[-2:])
    difference = (shifted - target[:, :, None]).abs().mean(dim=1)
    near = [
        F.avg_pool2d(F.avg_pool2d(part, 2), 5, stride=1, padding=2)
        for part in (difference * counted, counted)
    ]
    cost = near[0] / torch.where(near[1] > 0, near[1], torch.ones_like(near[1]))
    return (-SHARPNESS * cost).softmax(dim=1) * (near[1] > 0)
