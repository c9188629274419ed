"""What the frozen parts made of recent guides, kept from one batch of a recording to the next."""

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

from diffmvr.checks import check_number


class GuideMemory:
    """Encodes each guide image of a recording once, in however many batches it is restored.

    Images are known again by their content.  A memory serves one model and one recording: take a
    new one for the next.

    Args:
        limit: how many encodings of each kind are kept, those used last.  32 take 32 MiB of the
            tokens of a guide (ViT-L/14, float32) and 2 MiB of latents at 512 × 512 pixels, however
            long the recording is.

    Raises:
        ValueError: if ``limit`` is out of range.
    """

    def __init__(self, limit: int = 32) -> None:
        check_number("limit", limit, 1, 100_000)
        self._limit = limit
        self._kept: defaultdict[str, OrderedDict[bytes, Tensor]] = defaultdict(OrderedDict)

    def encode(self, kind: str, images: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what ``encode`` makes of images; it is given those alone that are not known.

        Args:
            kind: names what is made of them, and by which part.
            images: ``[N, 3, H, W]``.
            encode: takes images and returns ``[N, …]``, each of one image alone.
        """
        kept = self._kept[kind]
        names = [_digest(image) for image in images]
        new = {name: n for n, name in enumerate(names) if name not in kept}
        if new:
            for name, encoded in zip(new, encode(images[list(new.values())]), strict=True):
                # A copy: a view would keep the whole batch.
                kept[name] = encoded.clone()
        for name in names:
            kept.move_to_end(name)
        encodings = torch.stack([kept[name] for name in names])
        while len(kept) > self._limit:
            kept.popitem(last=False)
        return encodings


def _digest(image: Tensor) -> bytes:
    """Return the SHA-256 of an image, of whatever type its numbers are."""
    content = image.detach().contiguous().cpu().view(torch.uint8)
    return hashlib.sha256(content.numpy().tobytes()).digest()
