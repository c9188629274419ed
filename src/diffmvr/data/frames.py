"""Single frames of clips, for pretraining the autoencoder and the vision tower."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from diffmvr.data.sources import ClipSource
from diffmvr.progress import tracked
from diffmvr.structures import UInt8Array, to_pixel_values


class CaptionedClip(Protocol):
    """A clip whose frames are described in English."""

    frames: UInt8Array
    observed: UInt8Array
    mask: UInt8Array
    caption: Sequence[str]
    clean_caption: Sequence[str]


class FrameDataset(Dataset[tuple[Tensor, str]]):
    """(frame, caption) pairs: clean frames, occluded frames, and frames with a grey hole.

    The autoencoder has to encode all three: the target, what a user feeds in, and the masked frame
    of the inpainting input (decisions 1, 2).

    Args:
        source: captioned clips.
        stride: take every stride-th frame; consecutive frames say little new.
        views: which of ``clean``, ``observed`` and ``masked`` to give.
    """

    def __init__(
        self,
        source: ClipSource,
        stride: int = 2,
        views: Sequence[str] = ("clean", "observed", "masked"),
    ) -> None:
        images: list[UInt8Array] = []
        self.captions: list[str] = []
        for index in tracked(range(len(source)), "reading", "clips"):
            clip: CaptionedClip = source[index]  # type: ignore[assignment]
            for t in range(index % stride, len(clip.frames), stride):
                grey = np.where(clip.mask[t, ..., None] > 0, np.uint8(128), clip.frames[t])
                view = {
                    "clean": (clip.frames[t], clip.clean_caption[t]),
                    "observed": (clip.observed[t], clip.caption[t]),
                    "masked": (grey, clip.clean_caption[t]),
                }
                for name in views:
                    images.append(view[name][0])
                    self.captions.append(view[name][1])
        self.images = np.stack(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        return to_pixel_values(self.images[index]), self.captions[index]


def stack_frames(samples: Sequence[tuple[Tensor, str]]) -> tuple[Tensor, list[str]]:
    """Stack (frame, caption) pairs into ``[N, 3, H, W]`` in [-1, 1] and a list of captions."""
    return torch.stack([image for image, _ in samples]), [caption for _, caption in samples]
