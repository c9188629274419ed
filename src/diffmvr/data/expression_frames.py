"""Clean frames with what the face in them says, for training and scoring a reader of faces."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from diffmvr.checks import check_one_of, check_range
from diffmvr.data.sources import ClipSource
from diffmvr.data.synthetic import EXPRESSION_NAMES
from diffmvr.progress import tracked
from diffmvr.structures import FaceTrack, UInt8Array, to_pixel_values


class ExpressiveClip(Protocol):
    """A clip that knows what the face in each frame says (``SyntheticClip``)."""

    frames: UInt8Array
    track: FaceTrack
    expression: NDArray[np.float32]
    state: Sequence[str]


class ExpressionFrame(NamedTuple):
    """One or several frames; stacked, every field has a first axis N.

    Attributes:
        pixel_values: ``[3, H, W]`` float in [-1, 1], without the occluder.
        similarity: ``[2, 3]`` float32, canonical face coordinates → pixels.
        expression: ``[E]`` float32.
        state: index of the state, int64.
    """

    pixel_values: Tensor
    similarity: Tensor
    expression: Tensor
    state: Tensor


class ExpressionFrames(Dataset[ExpressionFrame]):
    """Every stride-th clean frame of a source, kept in memory as uint8.

    Args:
        source: rendered clips.
        stride: take every stride-th frame; consecutive frames say little new.
        names: the expressions wanted, in order.
        ranges: their smallest and largest values, as many pairs.
        states: names of the states; their positions are the indices.

    Raises:
        ValueError: if an expression or a state is unknown, or a value is out of its range.
    """

    def __init__(
        self,
        source: ClipSource,
        stride: int,
        names: Sequence[str],
        ranges: Sequence[Sequence[float]],
        states: Sequence[str],
    ) -> None:
        for name in names:
            check_one_of("names", name, EXPRESSION_NAMES)
        columns = [EXPRESSION_NAMES.index(name) for name in names]
        images, similarities, expressions, found = [], [], [], []
        for index in tracked(range(len(source)), "reading", "clips"):
            clip: ExpressiveClip = source[index]  # type: ignore[assignment]
            kept = slice(index % stride, None, stride)
            images.append(clip.frames[kept])
            similarities.append(clip.track.similarity[kept])
            expressions.append(clip.expression[kept][:, columns])
            for state in clip.state[kept]:
                check_one_of("states", state, states)
                found.append(list(states).index(state))
        self.images = np.concatenate(images)
        self.similarity = torch.from_numpy(np.concatenate(similarities)).float()
        self.expression = torch.from_numpy(np.concatenate(expressions))
        self.state = torch.tensor(found)
        for name, (low, high), values in zip(names, ranges, self.expression.T, strict=True):
            check_range(name, values, low, high)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> ExpressionFrame:
        return ExpressionFrame(
            to_pixel_values(self.images[index]),
            self.similarity[index],
            self.expression[index],
            self.state[index],
        )


def stack_expression_frames(samples: Sequence[ExpressionFrame]) -> ExpressionFrame:
    """Stack frames field by field."""
    return ExpressionFrame(*(torch.stack(field) for field in zip(*samples, strict=True)))
