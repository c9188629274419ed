"""The mean absolute error of drawn frames, inside the hole and outside it.

What LaMa, E2FGVI and ProPainter have in common.  Each also trains against a discriminator, and LaMa
against the features of a segmentation network: those need another network's training or weights,
sharpen a picture at the price of its score, and are left out.
"""

from torch import Tensor, nn

from diffmvr.checks import check_same_shape


class HoleL1Loss(nn.Module):
    """L = w_hole · L1 over hidden pixels + w_visible · L1 over visible ones.

    Each is a mean over its own pixels, so that small holes count as much as large ones.

    Args:
        hole_weight: w_hole.
        visible_weight: w_visible; what is drawn there is never shown, but teaches to draw.

    Raises:
        ValueError: if a weight is negative.
    """

    def __init__(self, hole_weight: float = 1.0, visible_weight: float = 1.0) -> None:
        super().__init__()
        for name, weight in (("hole_weight", hole_weight), ("visible_weight", visible_weight)):
            if not weight >= 0:
                raise ValueError(f"{name}: must not be negative, got {weight}")
        self.hole_weight = hole_weight
        self.visible_weight = visible_weight

    def forward(self, drawn: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return the terms, not yet multiplied by their weights, and their weighted sum.

        Args:
            drawn: ``[..., 3, H, W]``.
            truth: ``[..., 3, H, W]``.
            mask: ``[..., 1, H, W]`` 0/1, 1 = hidden.

        Returns:
            ``total``, ``hole`` and ``visible``; a term without pixels is 0.
        """
        check_same_shape("drawn", drawn, "truth", truth)
        error = (drawn - truth).abs().mean(dim=-3, keepdim=True)
        hole = (error * mask).sum() / mask.sum().clamp(min=1)
        visible = (error * (1 - mask)).sum() / (1 - mask).sum().clamp(min=1)
        total = self.hole_weight * hole + self.visible_weight * visible
        return {"total": total, "hole": hole, "visible": visible}
