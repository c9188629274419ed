"""Running the frozen parts once per window of frames.

B clips, T frames, N = B·T.
"""

import torch
from torch import Tensor, nn

from diffmvr.models.components import Components
from diffmvr.models.conditioning import Conditions, encode_conditions
from diffmvr.models.vae import encode_latents
from diffmvr.structures import ClipBatch


class ClipEncoder:
    """Turns a ``ClipBatch`` into clean latents and conditions, with an optional memory.

    Args:
        components: the model; only its frozen parts are used.
        cache: remember every window by (clip, frames).  The windows of a dataset never change, so
            the remembered encodings are the ones a second run of the towers would give.
    """

    def __init__(self, components: Components, cache: bool = True) -> None:
        self.components = components
        self._cache: dict[tuple[str, int, int], tuple[Tensor, Conditions]] | None = (
            {} if cache else None
        )

    def to(self, device: torch.device) -> None:
        """Move the frozen parts."""
        frozen: list[nn.Module] = [self.components.vae, *self.components.image_encoders]
        for part in frozen:
            part.to(device)

    @torch.no_grad()
    def __call__(self, batch: ClipBatch) -> tuple[Tensor, Conditions]:
        """Return clean latents ``[N, c, h, w]`` and the conditions of N frames."""
        clips, frames = batch.mask.shape[:2]
        if self._cache is None:
            return self._encode(batch, slice(None))
        parts = []
        for b in range(clips):
            key = (batch.clip_id[b], int(batch.frame_index[b, 0]), frames)
            if key not in self._cache:
                self._cache[key] = self._encode(batch, slice(b, b + 1))
            parts.append(self._cache[key])
        latents = torch.cat([latents for latents, _ in parts])
        return latents, Conditions.cat([conditions for _, conditions in parts])

    def _encode(self, batch: ClipBatch, clips: slice) -> tuple[Tensor, Conditions]:
        latents = encode_latents(self.components.vae, batch.pixel_values[clips].flatten(0, 1))
        conditions = encode_conditions(
            self.components,
            batch.masked_pixel_values[clips].flatten(0, 1),
            batch.mask[clips].flatten(0, 1),
            batch.guide_pixel_values[clips].flatten(0, 1),
            batch.guide_valid[clips].flatten(0, 1),
        )
        return latents, conditions
