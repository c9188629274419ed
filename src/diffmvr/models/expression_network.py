"""A small network that reads the expression and the state of a rendered face from one frame.

It measures restorations and takes no part in them.  One frame is enough: from the renderer's true
expression of a single frame a classifier tells rest, move and pain apart in 99.4 % of frames, from
five neighbouring frames in 99.5 %.  It also keeps the reading of a restored frame free of what the
frames around it show.

Legend: N frames, H × W pixels, S × S pixels of a straightened face, E expressions, K states.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from diffmvr.checks import check_number, check_shape


@dataclass(frozen=True)
class ExpressionReading:
    """What a face says.

    Attributes:
        expression: ``[N, E]``, each within its own range.
        state_logits: ``[N, K]``, unnormalised log-odds of the states.
    """

    expression: Tensor
    state_logits: Tensor


class ExpressionNetwork(ModelMixin, ConfigMixin):
    """Straightens the face by its track, then reads it with a few convolutions.

    Straightened, the eyes and the mouth of everyone lie in about the same place, so that a network
    small enough to ship learns them from few people.

    Args:
        names: of the expressions, in the order of a reading.
        ranges: their smallest and largest values, as many pairs.
        states: names of the states.
        frame_size: side in pixels of the frames it was trained on; others are resampled to it.
        face_size: side S of the straightened face in pixels.
        face_centre: its centre in canonical face coordinates (:class:`FaceTrack`), x and y.
        face_reach: half its side in canonical face coordinates.
        channels: of the first and of the second stage.
        hidden: width of the layer before the two heads.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        names: Sequence[str],
        ranges: Sequence[Sequence[float]],
        states: Sequence[str],
        frame_size: int = 64,
        face_size: int = 40,
        face_centre: Sequence[float] = (0.0, 0.42),
        face_reach: float = 1.15,
        channels: Sequence[int] = (32, 64),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        pairs = [tuple(map(float, pair)) for pair in ranges]
        if len(pairs) != len(names) or not all(len(p) == 2 and p[0] < p[1] for p in pairs):
            raise ValueError(
                f"ranges: expected a low below a high for each of {list(names)}, got {pairs}"
            )
        bounds = torch.tensor(pairs)
        for name, values in (("face_centre", face_centre), ("channels", channels)):
            if len(values) != 2:
                raise ValueError(f"{name}: expected two numbers, got {list(values)}")
        check_number("face_reach", face_reach, 0.01, 100)
        if face_size % 4:
            raise ValueError(f"face_size: expected a multiple of 4, got {face_size}")
        first, second = channels
        squeezed = second // 4
        self.body = nn.Sequential(
            nn.Conv2d(3, first, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            _Residual(first),
            nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            _Residual(second),
            # Where something is counts as much as what it is: few channels, but every position.
            nn.Conv2d(second, squeezed, 1),
            nn.Flatten(),
            nn.Linear(squeezed * (face_size // 4) ** 2, hidden),
            nn.ReLU(),
        )
        self.expression_head = nn.Linear(hidden, len(names))
        self.state_head = nn.Linear(hidden, len(states))
        self.register_buffer("low", bounds[:, 0], persistent=False)
        self.register_buffer("high", bounds[:, 1], persistent=False)

    @property
    def expression_names(self) -> tuple[str, ...]:
        """Names of the E expressions, in the order of a reading."""
        return tuple(self.config.names)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the K states, in the order of a reading."""
        return tuple(self.config.states)

    def forward(self, pixel_values: Tensor, similarity: Tensor) -> ExpressionReading:
        """Read frames.

        Args:
            pixel_values: ``[N, 3, H, W]`` in [-1, 1], of any size.
            similarity: ``[N, 2, 3]`` float, canonical face coordinates → pixels of these frames.
        """
        features = self.body(self.straighten(pixel_values, similarity))
        # Sigmoids, so that no reading leaves the range of its expression.
        shares = self.expression_head(features).sigmoid()
        expression = self.low + shares * (self.high - self.low)
        return ExpressionReading(expression, self.state_head(features))

    def straighten(self, pixel_values: Tensor, similarity: Tensor) -> Tensor:
        """Cut out the faces upright and at one size, ``[N, 3, S, S]``; beyond the frame is grey."""
        check_shape("pixel_values", pixel_values, (None, 3, None, None))
        check_shape("similarity", similarity, (len(pixel_values), 2, 3))
        height, width = pixel_values.shape[-2:]
        size = self.config.frame_size
        if (height, width) != (size, size):
            pixel_values = F.interpolate(
                pixel_values, (size, size), mode="bilinear", antialias=True
            )
        side, reach = self.config.face_size, self.config.face_reach
        steps = (torch.arange(side, device=pixel_values.device) + 0.5) / side * 2 - 1
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        centre_x, centre_y = self.config.face_centre
        points = torch.stack(
            [centre_x + reach * x, centre_y + reach * y, torch.ones_like(x)], dim=-1
        )  # [S, S, 3] in canonical face coordinates
        pixels = torch.einsum("nij,hwj->nhwi", similarity.to(points), points)  # [N, S, S, (x, y)]
        # Pixel centres are integers; grid_sample counts from -1 to 1 between the frame's edges.
        grid = (2 * pixels + 1) / pixels.new_tensor([width, height]) - 1
        return F.grid_sample(pixel_values, grid.to(pixel_values), align_corners=False)


class _Residual(nn.Module):
    """Two 3 × 3 convolutions around which the input also goes unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))
