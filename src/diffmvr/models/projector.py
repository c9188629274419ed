"""The MLPs f_mlp: R^p → R^p' between the guide encoders and the U-Net (paper 3.2).

N images, G guides, L tokens per guide.
"""

from collections.abc import Callable, Sequence

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from diffmvr.checks import check_shape
from diffmvr.own_code import part_name


class GuideProjector(ModelMixin, ConfigMixin):
    """One MLP per guide, with learned token positions and a learned null embedding.

    The paper maps one vector per guide; here the MLP works per token (decisions 7), because softmax
    over a single key is 1 and the attention would ignore its query.  A guide that does not exist in
    a frame (no clear past frame yet) is replaced by its null embedding (decisions 9).

    Args:
        kinds: names of the guides, one MLP each.
        token_width: p, the width of the encoder's tokens.
        cross_attention_dim: p', the width of the U-Net's context.
        num_input_tokens: tokens that arrive per guide.
        num_tokens: tokens that leave per guide; more than arrive only where one pooled vector is
            expanded.
        dropout: probability with which training replaces a guide by its null embedding, so that the
            null embedding is learned.
        hidden_width: width between the two layers of an MLP; ``None``: twice p'.
        norm_input: whether tokens are normalised before the MLP; IP-Adapter's are not.

    Example:
        >>> projector = GuideProjector(("symmetric", "past"), 8, 16, 5, 5)
        >>> tokens = [torch.rand(3, 5, 8) for _ in range(2)]  # of 3 frames, from a GuideEncoder
        >>> projected = projector(tokens, torch.ones(3, 2, dtype=torch.bool))
        >>> [tuple(one.shape) for one in projected]
        [(3, 5, 16), (3, 5, 16)]
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        kinds: tuple[str, ...] = ("symmetric", "past"),
        token_width: int = 128,
        cross_attention_dim: int = 128,
        num_input_tokens: int = 65,
        num_tokens: int = 65,
        dropout: float = 0.0,
        hidden_width: int | None = None,
        norm_input: bool = True,
    ) -> None:
        super().__init__()
        if num_tokens % num_input_tokens:
            raise ValueError(
                f"num_tokens: expected a multiple of num_input_tokens={num_input_tokens}, "
                f"got {num_tokens}"
            )
        expansion = num_tokens // num_input_tokens
        names = [part_name(kind) for kind in kinds]
        hidden = hidden_width or 2 * cross_attention_dim
        self.mlp = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.LayerNorm(token_width) if norm_input else nn.Identity(),
                    nn.Linear(token_width, hidden),
                    nn.GELU(),
                    nn.Linear(hidden, expansion * cross_attention_dim),
                )
                for name in names
            }
        )
        self.norm = nn.ModuleDict({name: nn.LayerNorm(cross_attention_dim) for name in names})
        shape = (1, num_tokens, cross_attention_dim)
        self.position = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(shape) * cross_attention_dim**-0.5) for name in names}
        )
        self.null = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(shape) * cross_attention_dim**-0.5) for name in names}
        )

    def forward(
        self,
        image_embeds: Sequence[Tensor],
        guide_valid: Tensor,
        draw: Callable[[int], Tensor] = torch.rand,
    ) -> tuple[Tensor, ...]:
        """Project the tokens of every guide.

        Args:
            image_embeds: G tensors ``[N, num_input_tokens, p]``.
            guide_valid: ``[N, G]`` bool, False where the guide does not exist.
            draw: gives as many uniform numbers as it is asked for, for the training dropout.

        Returns:
            G tensors ``[N, num_tokens, p']``: the ``encoder_hidden_states`` of the U-Net.
        """
        kinds = tuple(self.config.kinds)
        check_shape("guide_valid", guide_valid, (None, len(kinds)))
        projected = []
        for index, (kind, embeds) in enumerate(zip(kinds, image_embeds, strict=True)):
            check_shape(f"image_embeds[{kind}]", embeds, (len(guide_valid), None, None))
            name = part_name(kind)
            tokens = self.mlp[name](embeds).reshape(len(embeds), self.config.num_tokens, -1)
            tokens = self.norm[name](tokens) + self.position[name]
            keep = guide_valid[:, index]
            if self.training and self.config.dropout > 0:
                kept = draw(len(keep)) >= self.config.dropout
                keep = keep & kept.to(keep.device)
            projected.append(torch.where(keep[:, None, None], tokens, self.null[name]))
        return tuple(projected)
