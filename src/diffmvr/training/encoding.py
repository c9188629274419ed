"""Running the frozen parts once per window of frames.

B clips, T frames, N = B·T.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from diffmvr.losses.expressive import expressive_area
from diffmvr.models.components import Components
from diffmvr.models.conditioning import Conditions, encode_conditions
from diffmvr.models.vae import encode_latents
from diffmvr.structures import ClipBatch


@dataclass(frozen=True)
class EncodedBatch:
    """What the U-Net is trained on: B clips of T frames, after the frozen parts.

    Attributes:
        latents: ``[N, c, h, w]``, of the clean frames.
        conditions: of the N frames.
        clips: B.
        names: of the clips and their frames, for messages; empty where nobody told.
        expressive: ``[N, 1, h, w]`` in [0, 1], how much a cell belongs to eyes, brows or mouth;
            ``None`` where nobody told.
    """

    latents: Tensor
    conditions: Conditions
    clips: int
    names: tuple[str, ...] = ()
    expressive: Tensor | None = None

    @property
    def num_frames(self) -> int:
        """N."""
        return len(self.latents)

    @property
    def frames(self) -> int:
        """T."""
        return self.num_frames // self.clips

    @staticmethod
    def cat(parts: Sequence["EncodedBatch"]) -> "EncodedBatch":
        """Join the clips of several batches."""
        told = [part.expressive for part in parts if part.expressive is not None]
        return EncodedBatch(
            torch.cat([part.latents for part in parts]),
            Conditions.cat([part.conditions for part in parts]),
            sum(part.clips for part in parts),
            tuple(name for part in parts for name in part.names),
            torch.cat(told) if len(told) == len(parts) else None,
        )

    def to(self, device: torch.device | str) -> "EncodedBatch":
        """Return the batch with every tensor on ``device`` (Lightning calls this)."""
        moved = {
            f.name: getattr(self.conditions, f.name).to(device) for f in fields(self.conditions)
        }
        expressive = None if self.expressive is None else self.expressive.to(device)
        return EncodedBatch(
            *(self.latents.to(device), Conditions(**moved), self.clips, self.names, expressive)
        )


class ClipEncoder:
    """Turns a ``ClipBatch`` into an ``EncodedBatch``, with an optional memory.

    Args:
        components: the model; only its frozen parts are used.
        cache: remember every window by (clip, frames).  The windows of a dataset never change, so
            the remembered encodings are the ones a second run of the towers would give.
    """

    def __init__(self, components: Components, cache: bool = True) -> None:
        self.components = components
        self._cache: dict[tuple[str, int, int], EncodedBatch] | None = {} if cache else None

    def to(self, device: torch.device) -> None:
        """Move the frozen parts."""
        frozen: list[nn.Module] = [self.components.vae, *self.components.image_encoders]
        for part in frozen:
            part.to(device)

    @torch.no_grad()
    def __call__(self, batch: ClipBatch, remember: bool = True) -> EncodedBatch:
        """Encode the clean frames, the masked frames and the guides of a batch.

        Args:
            batch: whole windows.
            remember: use the memory, if there is one; False for windows that were changed.
        """
        clips, frames = batch.mask.shape[:2]
        if self._cache is None or not remember:
            return self._encode(batch, slice(0, clips))
        parts = []
        for b in range(clips):
            key = (batch.clip_id[b], int(batch.frame_index[b, 0]), frames)
            if key not in self._cache:
                self._cache[key] = self._encode(batch, slice(b, b + 1))
            parts.append(self._cache[key])
        return EncodedBatch.cat(parts)

    def _encode(self, batch: ClipBatch, clips: slice) -> EncodedBatch:
        latents = encode_latents(self.components.vae, batch.pixel_values[clips].flatten(0, 1))
        conditions = encode_conditions(
            self.components,
            batch.masked_pixel_values[clips].flatten(0, 1),
            batch.mask[clips].flatten(0, 1),
            batch.guide_pixel_values[clips].flatten(0, 1),
            batch.guide_valid[clips].flatten(0, 1),
        )
        height, width = batch.mask.shape[-2:]
        expressive = expressive_area(
            batch.similarity[clips].flatten(0, 1),
            (height, width),
            (latents.shape[-2], latents.shape[-1]),
        )
        return EncodedBatch(
            latents, conditions, clips.stop - clips.start, expressive=expressive.to(latents)
        )


def name_frames(clip_id: str, frame_index: Sequence[int]) -> str:
    """Return the name of some frames of a clip, e.g. ``s001_c0 frames 8-15``."""
    first, last = frame_index[0], frame_index[-1]
    whole = list(frame_index) == list(range(first, last + 1))
    return f"{clip_id} frames {f'{first}-{last}' if whole else ', '.join(map(str, frame_index))}"
