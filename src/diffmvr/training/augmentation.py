"""Clips of a batch moved and lit at random, on the device that trains (ours; the paper has none).

B clips, T frames, G guides, H × W pixels.

A clip is moved as one: target, mask, guides and what the camera saw, in all of its frames.  It is
turned, scaled, shifted and mirrored and never sheared, so that a mirrored guide is still the mirror
image of its frame, and a past frame that was carried to another still lies on it.  Kornia does
the work.
"""

from collections.abc import Sequence
from dataclasses import replace

import kornia.augmentation as K
import torch
from kornia.constants import DataKey, Resample
from torch import Tensor, nn

from diffmvr.checks import check_number
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import ClipBatch, to_pixel_values
from diffmvr.training.draws import SharedDraws

MAX_SEED = 2**62


class ClipAugmentation:
    """Moves and lights each clip of a batch at random.

    Every clip has its own seed among the draws of its optimizer step, so that a resumed run sees
    the same clips as one that was not stopped, however they are spread over processes.

    Args:
        flip: share of clips that are mirrored, left to right.
        degrees: clips are turned by up to so many degrees, either way.
        shift: moved by up to this share of a side.  What comes in at an edge is what lies inside
            it, mirrored, in the mask as well.
        scale: smallest and largest factor of their size.
        brightness: up to so much is added to all pixels, whose range is 1.
        contrast: pixels are multiplied by up to 1 ± this.
        saturation: colours are made stronger or weaker by up to this share.
        hue: colours are turned by up to this share of the colour circle, at most 0.5.
        guide_light: the guides are then lit by up to so much otherwise than the frames, in
            brightness and contrast, as a frame of a minute ago may be.  What is grey in a guide
            because nothing is known there stays grey.

    Raises:
        ValueError: if a value is out of its range.
    """

    def __init__(
        self,
        flip: float = 0.5,
        degrees: float = 10.0,
        shift: float = 0.05,
        scale: Sequence[float] = (0.9, 1.1),
        brightness: float = 0.1,
        contrast: float = 0.1,
        saturation: float = 0.1,
        hue: float = 0.0,
        guide_light: float = 0.0,
    ) -> None:
        check_number("augmentation.flip", flip, 0.0, 1.0)
        check_number("augmentation.degrees", degrees, 0.0, 180.0)
        check_number("augmentation.shift", shift, 0.0, 0.5)
        low, high = scale
        check_number("augmentation.scale", low, 0.1, high)
        check_number("augmentation.scale", high, low, 10.0)
        lights = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, value in {**lights, "guide_light": guide_light}.items():
            check_number(f"augmentation.{name}", value, 0.0, 1.0)
        check_number("augmentation.hue", hue, 0.0, 0.5)

        moves: list[nn.Module] = []
        if flip > 0:
            moves.append(K.RandomHorizontalFlip(p=flip))
        if degrees > 0 or shift > 0 or (low, high) != (1, 1):
            affine = K.RandomAffine(
                degrees,
                translate=(shift, shift),
                scale=(low, high),
                padding_mode="reflection",
                align_corners=True,
                p=1.0,
            )
            moves.append(affine)
        self._move = (
            K.AugmentationSequential(
                _of_a_clip(*moves),
                data_keys=[DataKey.IMAGE, DataKey.MASK, DataKey.KEYPOINTS],
                # The mask stays 0 and 1.
                extra_args={DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": True}},
            )
            if moves
            else None
        )
        self._light = _light(brightness, contrast, saturation, hue)
        self._guide_light = _light(guide_light, guide_light)

    def __call__(self, batch: ClipBatch, draws: SharedDraws) -> ClipBatch:
        """Return the batch, augmented; ``guide_valid`` and the names are as they were.

        Args:
            batch: whole windows.
            draws: of the batch.
        """
        device = batch.mask.device
        seeds = draws.integers(MAX_SEED, len(batch.mask)).tolist()
        devices = [device] if device.type == "cuda" else []
        # Under mixed precision matrices would be rounded to whole pixels.
        with torch.random.fork_rng(devices), torch.autocast(device.type, enabled=False):
            clips = [self._one(batch, b, seed) for b, seed in enumerate(seeds)]
        target, observed, guides, mask, similarity = (
            torch.stack(parts) for parts in zip(*clips, strict=True)
        )
        return replace(
            batch,
            pixel_values=target,
            observed_pixel_values=observed,
            guide_pixel_values=guides,
            mask=mask,
            similarity=similarity,
        )

    def _one(self, batch: ClipBatch, b: int, seed: int) -> tuple[Tensor, ...]:
        """Return target, observed, guides, mask and similarity of one clip."""
        torch.manual_seed(seed)
        target, observed, mask = (
            part[b] for part in (batch.pixel_values, batch.observed_pixel_values, batch.mask)
        )
        guides, similarity = batch.guide_pixel_values[b], batch.similarity[b]

        # Light first, while what is unknown in a guide can be told by its grey.
        if self._light is not None:
            images = torch.cat([target, observed, guides.flatten(0, 1)])
            lit = _lit(self._light, images)
            target, observed = lit[: len(target)], lit[len(target) : 2 * len(target)]
            guides = _still_grey(guides, lit[2 * len(target) :].view_as(guides))
        if self._guide_light is not None and guides.shape[1]:
            guides = _still_grey(guides, _lit(self._guide_light, guides.flatten(0, 1)))

        if self._move is not None:
            # [T, (2 + G)·3, H, W]: all images of a frame are channels of one.
            images = torch.cat([target, observed, guides.flatten(1, 2)], dim=1)
            moved, hole, corners = self._move(images[None], mask[None], _corners(similarity)[None])
            # A clip whose hole would leave the picture has nothing to restore.
            if hole.any() or not mask.any():
                mask = hole[0]
                target, observed, carried = moved[0].split([3, 3, images.shape[1] - 6], dim=1)
                guides = carried.reshape(guides.shape)
                similarity = _through(corners[0])
        return target, observed, guides, mask, similarity


def _corners(similarity: Tensor) -> Tensor:
    """Return where the canonical face's origin and units lie, ``[T, 3, 2]`` pixels."""
    linear, origin = similarity[..., :2].transpose(1, 2), similarity[:, None, :, 2]
    return torch.cat([origin, origin + linear], dim=1)


def _through(corners: Tensor) -> Tensor:
    """Return the map ``[T, 2, 3]`` of which these are the corners.  A mirrored face's reflects."""
    origin = corners[:, :1]
    return torch.cat([corners[:, 1:] - origin, origin], dim=1).transpose(1, 2)


def _of_a_clip(*steps: nn.Module) -> K.VideoSequential:
    return K.VideoSequential(*steps, data_format="BTCHW", same_on_frame=True)


def _light(
    brightness: float, contrast: float, saturation: float = 0.0, hue: float = 0.0
) -> K.VideoSequential | None:
    if not any((brightness, contrast, saturation, hue)):
        return None
    return _of_a_clip(K.ColorJiggle(brightness, contrast, saturation, hue, p=1.0))


def _lit(light: K.VideoSequential, images: Tensor) -> Tensor:
    """Return ``[F, 3, H, W]`` in [-1, 1], all lit alike."""
    lit: Tensor = light((images[None] + 1.0) / 2.0)[0]
    return lit.clamp(0.0, 1.0) * 2.0 - 1.0


def _still_grey(before: Tensor, lit: Tensor) -> Tensor:
    """Return guides ``[T, G, 3, H, W]`` as they are lit, but for what is unknown."""
    grey = to_pixel_values(torch.full((1, 1, 3), GREY, dtype=torch.uint8).numpy())[0, 0, 0]
    unknown = (before == grey.to(before)).all(dim=2, keepdim=True)
    return torch.where(unknown, before, lit.reshape(before.shape))
