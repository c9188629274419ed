"""The frozen OpenCLIP vision tower that turns a guide image into tokens (paper 3.2, Mod_2).

N images, L tokens, p token width.
"""

from pathlib import Path
from typing import Any

import open_clip
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from open_clip.transformer import VisionTransformer
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from diffmvr.checks import check_one_of, check_shape

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
        image_mean: tuple[float, float, float] = open_clip.OPENAI_DATASET_MEAN,
        image_std: tuple[float, float, float] = open_clip.OPENAI_DATASET_STD,
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
            act_layer=open_clip.transformer.QuickGELU if quick_gelu else torch.nn.GELU,
        )
        self.register_buffer("mean", torch.tensor(image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(image_std).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def from_open_clip(cls, name: str, pretrained: str | Path | None) -> "GuideEncoder":
        """Take the vision tower of an OpenCLIP model.

        Args:
            name: an OpenCLIP architecture with a ViT tower, e.g. ``ViT-L-14``.
            pretrained: a local ``.safetensors`` or ``.bin`` file (read without unpickling code), an
                OpenCLIP tag, or None for random weights.

        Raises:
            ValueError: if OpenCLIP has no such architecture, or its tower is not a plain ViT.
        """
        encoder = cls(**cls.open_clip_settings(name, pretrained))
        if pretrained is not None:
            source = open_clip.create_model(
                name, pretrained=str(pretrained), weights_only=True, load_weights=True
            )
            encoder.visual.load_state_dict(source.visual.state_dict(), strict=True)
        return encoder

    @staticmethod
    def open_clip_settings(name: str, pretrained: str | Path | None) -> dict[str, Any]:
        """Return the arguments of this class for an OpenCLIP model; see ``from_open_clip``.

        What the weights of a tag were trained with counts more than the architecture's default:
        ``ViT-L-14`` is a GELU model, OpenAI's weights for it need QuickGELU.
        """
        settings = open_clip.get_model_config(name)
        if settings is None:
            raise ValueError(
                f"image_encoder.name: OpenCLIP has no architecture {name!r}; "
                "open_clip.list_models() names them"
            )
        vision = settings["vision_cfg"]
        if not isinstance(vision["layers"], int) or vision.get("timm_model_name"):
            raise ValueError(f"image_encoder.name: the vision tower of {name!r} is not a plain ViT")
        tag = open_clip.get_pretrained_cfg(name, str(pretrained))  # empty for a file or None
        return {
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "width": vision["width"],
            "layers": vision["layers"],
            "heads": vision["width"] // vision.get("head_width", 64),
            "mlp_ratio": vision.get("mlp_ratio", 4.0),
            "embed_dim": settings["embed_dim"],
            "image_mean": tag.get("mean", open_clip.OPENAI_DATASET_MEAN),
            "image_std": tag.get("std", open_clip.OPENAI_DATASET_STD),
            "quick_gelu": (tag or settings).get("quick_gelu", False),
        }

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
            images = tvf.resize(
                images, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True
            )
        return (images - self.mean) / self.std
