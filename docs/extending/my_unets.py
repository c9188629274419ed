"""A backbone of one's own: the U-Net with a skip from its noisy input to its output."""

from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor


class Skipped(UNet2DConditionModel):
    """Adds its first input channels, the noisy latents, to what it predicts."""

    def forward(self, sample: Tensor, *inputs: Any, **named: Any) -> UNet2DConditionOutput:
        """Return ``.sample`` ``[N, c, h, w]``, called as the U-Net of diffusers is."""
        predicted = super().forward(sample, *inputs, **named).sample
        return UNet2DConditionOutput(sample=predicted + sample[:, : predicted.shape[1]])
