"""The frozen OpenCLIP vision tower that turns a guide image into tokens (paper 3.2, Mod_2).

N images, L tokens, p token width.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor
from torch.nn import functional

from diffmvr.checks import check_one_of, check_shape
from diffmvr.models.config_files import building, check_kinds
from diffmvr.models.open_clip_weights import locate_tower, read_tower, tower_settings
from diffmvr.models.state_dicts import assign_state

# The class and patch tokens are taken before the last block: in a tower pooled by its class token
# the last block's patch outputs receive no training signal (as in IP-Adapter Plus).
TOKEN_BLOCK_FROM_END = 2


class GuideEncoder(ModelMixin, ConfigMixin):
    """An OpenCLIP vision transformer with its own resizing and normalisation.

    Args:
        image_size: side of the square input in pixels.
        patch_size: side of a patch in pixels.
        width: token width p.
        layers: number of transformer blocks.
        heads: attention heads.
        mlp_ratio: hidden width of a block's MLP over ``width``.
        embed_dim: width of the pooled, projected vector.
        image_mean: RGB mean for inputs in [0, 1].
        image_std: RGB standard deviation for inputs in [0, 1].
        quick_gelu: whether the weights were trained with OpenAI's QuickGELU.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        image_size: int = 64,
        patch_size: int = 8,
        width: int = 128,
        layers: int = 6,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        embed_dim: int = 128,
        image_mean: tuple[float, float, float] = OPENAI_DATASET_MEAN,
        image_std: tuple[float, float, float] = OPENAI_DATASET_STD,
        quick_gelu: bool = False,
    ) -> None:
        super().__init__()
        self.visual = VisionTransformer(
            image_size=image_size,
            patch_size=patch_size,
            width=width,
            layers=layers,
            heads=heads,
            mlp_ratio=mlp_ratio,
            output_dim=embed_dim,
            act_layer=QuickGELU if quick_gelu else torch.nn.GELU,
        )
        self._set_normalisation()

    @classmethod
    def from_open_clip(cls, name: str, pretrained: str | Path | None) -> "GuideEncoder":
        """Take the vision tower of an OpenCLIP model.

        Args:
            name: an OpenCLIP architecture with a ViT tower, e.g. ``ViT-L-14``.
            pretrained: a local ``.safetensors`` file, ``local-dir:FOLDER``, an OpenCLIP tag (from
                the hub's cache, or fetched once), or None for random weights.

        Raises:
            ValueError: if OpenCLIP has no such architecture, its tower is not a plain ViT, or the
                weights are pickled or of another architecture.
            WeightsNotPresentError: if the weights are absent; with the command that brings them.
        """
        if pretrained is None:
            return cls(**tower_settings(name, None))
        tower_settings(name, None)  # an unknown name, before anything is looked for
        files = locate_tower(name, pretrained)
        source = files.config or files.weights
        settings = tower_settings(name, pretrained, files.config)
        check_kinds(settings, cls, source)
        with building("vision tower", source), torch.device("meta"):
            encoder = cls(**settings)
        assign_state(encoder.visual, read_tower(files), files.weights)
        encoder._set_normalisation()
        return encoder

    @staticmethod
    def open_clip_settings(name: str, pretrained: str | Path | None) -> dict[str, Any]:
        """Return the arguments of this class for an OpenCLIP model; see ``tower_settings``."""
        return tower_settings(name, pretrained)

    def _set_normalisation(self) -> None:
        for name in ("mean", "std"):
            values = torch.tensor(self.config[f"image_{name}"]).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def token_width(self, tokens: str) -> int:
        """Return the width p of the tokens that ``forward`` gives in a token mode."""
        return self.config.width if tokens == "patch" else self.config.embed_dim

    def num_tokens(self, tokens: str) -> int:
        """Return the number of tokens L that ``forward`` gives in a token mode."""
        return (
            (self.config.image_size // self.config.patch_size) ** 2 + 1 if tokens == "patch" else 1
        )

    def forward(self, pixel_values: Tensor, tokens: str = "patch") -> Tensor:
        """Encode guide images.

        Args:
            pixel_values: ``[N, 3, H, W]`` in [-1, 1], of any size.
            tokens: ``patch`` gives the class and patch tokens, anything else the pooled vector.

        Returns:
            ``[N, L, p]``.
        """
        check_one_of("tokens", tokens, ("patch", "pooled", "single"))
        images = self.preprocess(pixel_values)
        if tokens != "patch":
            return self.visual(images)[:, None]  # [N, 1, embed_dim]
        block = max(self.config.layers - TOKEN_BLOCK_FROM_END, 0)
        features: dict[str, Any] = self.visual.forward_intermediates(
            images,
            indices=[block],
            stop_early=True,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        patches = features["image_intermediates"][0]
        class_token = features["image_intermediates_prefix"][0]
        return torch.cat([class_token, patches], dim=1)  # [N, 1 + patches, width]

    def preprocess(self, pixel_values: Tensor) -> Tensor:
        """Resize [-1, 1] images to the tower's size (bicubic, antialiased) and normalise them."""
        check_shape("pixel_values", pixel_values, (None, 3, None, None))
        images = pixel_values * 0.5 + 0.5
        size = self.config.image_size
        if images.shape[-2:] != (size, size):
            # Of half precision torch can resize nothing on a CPU.
            wide = images.to(torch.promote_types(images.dtype, torch.float32))
            resized = functional.interpolate(
                wide, (size, size), mode="bicubic", align_corners=False, antialias=True
            )
            images = resized.to(images.dtype)
        return (images - self.mean) / self.std
