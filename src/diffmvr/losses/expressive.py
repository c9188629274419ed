"""Where a face's expression lives, so that a loss can weigh errors there (ours, not the paper's).

Most hidden pixels are skin that says nothing; a mean over the hole hears little of a mouth.  Eyes,
brows and mouth are at known places of the canonical face (origin between the eyes, y down, unit the
distance between them), which a clip's track takes to pixels: no landmarks are needed.

N frames of H × W pixels, a grid of h × w cells.
"""

import torch
from torch import Tensor

from diffmvr.checks import check_shape

ELLIPSES = ((-0.6, -0.2, 0.5, 0.4), (0.6, -0.2, 0.5, 0.4), (0.0, 1.12, 0.65, 0.45))
"""Centre and half axes (x, y, x, y) of each eye with its brow, and of the mouth: those of twenty
people of the Face Research Lab London Set, neutral and smiling, lie inside."""

EDGE = 0.5
"""Beyond an ellipse the area fades out over this share of its half axes."""


def expressive_area(
    similarity: Tensor, frame_size: tuple[int, int], grid_size: tuple[int, int]
) -> Tensor:
    """Return how much a cell belongs to eyes, brows or mouth.

    Args:
        similarity: ``[N, 2, 3]``, canonical face coordinates → pixels of the frame.
        frame_size: (H, W) in pixels.
        grid_size: (h, w), cells that divide the frame.

    Returns:
        ``[N, 1, h, w]`` in [0, 1], of each cell at its centre.
    """
    check_shape("similarity", similarity, (None, 2, 3))
    (height, width), (rows, columns) = frame_size, grid_size
    matrix = similarity.float()
    y = (torch.arange(rows, device=matrix.device) + 0.5) * height / rows - 0.5
    x = (torch.arange(columns, device=matrix.device) + 0.5) * width / columns - 0.5
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # [h, w, (x, y)]
    shifted = centres - matrix[:, None, None, :, 2]
    face = torch.linalg.solve(
        matrix[:, :, :2], shifted.flatten(1, 2).transpose(1, 2)
    )  # [N, 2, h·w]
    area = matrix.new_zeros(len(matrix), rows * columns)
    for centre_x, centre_y, half_x, half_y in ELLIPSES:
        radius = torch.hypot((face[:, 0] - centre_x) / half_x, (face[:, 1] - centre_y) / half_y)
        area = torch.maximum(area, ((1 + EDGE - radius) / EDGE).clamp(0, 1))
    return area.unflatten(1, (1, rows, columns))


def expressive_weight(weight: float, area: Tensor | None, name: str) -> Tensor | float:
    """Return what errors are multiplied by: 1 where nothing is expressed, ``weight`` where all is.

    Args:
        weight: at least 1.
        area: ``[N, 1, h, w]``; see :func:`expressive_area`.
        name: of the setting, for the message.

    Returns:
        ``[N, 1, h, w]``, or 1.0 for a weight of 1.

    Raises:
        ValueError: if there is a weight and nobody knows where the faces are.
    """
    if weight == 1:
        return 1.0
    if area is None:
        raise ValueError(
            f"{name}: got {weight}, and this batch does not say where its faces are; give the "
            "batch's expressive area, or set it to 1"
        )
    return 1.0 + (weight - 1.0) * area
