"""The data contract: what one part of diffmvr hands to the next.

Legend: B clips, T frames, G guides, H × W pixels.
Images are uint8 RGB in NumPy and float in [-1, 1] in torch.  **mask = 1 means "hidden, restore
this"**.  Pixel coordinates are (x, y) with integer values at pixel *centres*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffmvr.checks import check_number, check_one_of, check_same_shape, check_shape

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float64]

GUIDE_KINDS = ("symmetric", "past", "present")
PAST_SELECTIONS = ("recent", "matched", "bank")
PAST_REACHES = ("past", "both")
DETECTION_TASKS = ("face", "occluder", "occluder_seg")

CLEAR_THRESHOLD = 0.005
"""Largest hidden share of the face box of an unobstructed frame (decisions 11)."""


@dataclass(frozen=True)
class FaceTrack:
    """Where the face is in each frame of a clip.

    Attributes:
        face_box: ``[T, 4]`` float, (x0, y0, x1, y1) in pixels.
        midline: ``[T, 4]`` float, (x, y, cos, sin): a point on the facial midline and the unit
            direction along it, pointing from forehead to chin.
        similarity: ``[T, 2, 3]`` float, canonical face coordinates → pixels (rotation, one
            scale, shift).  The past frame p is carried to frame t by
            ``similarity[t] ∘ similarity[p]⁻¹``.
        axis_source: T names of where the midline came from: ``"truth"``, ``"landmarks"``,
            ``"motion"`` (landmarks of a frame before, moved with the head), ``"carried"`` (the last
            good axis, moved with the face box) or ``"box"`` (the vertical centre line of it).
        crop: ``[T, 2, 3]`` float, pixels of the recording → pixels of this clip, or ``None`` where
            the clip is the recording.  What stands still moves by ``crop[t] ∘ crop[p]⁻¹``.
    """

    face_box: FloatArray
    midline: FloatArray
    similarity: FloatArray
    axis_source: tuple[str, ...]
    crop: FloatArray | None = None

    def __post_init__(self) -> None:
        frames = len(self.axis_source)
        check_shape("face_box", self.face_box, (frames, 4))
        check_shape("midline", self.midline, (frames, 4))
        check_shape("similarity", self.similarity, (frames, 2, 3))
        if self.crop is not None:
            check_shape("crop", self.crop, (frames, 2, 3))

    def __len__(self) -> int:
        return len(self.axis_source)

    def __getitem__(self, index: slice) -> "FaceTrack":
        return self.pick(range(len(self))[index])

    def pick(self, frames: Sequence[int]) -> "FaceTrack":
        """Return the track of some of the frames, in the order given."""
        rows = list(frames)
        return FaceTrack(
            self.face_box[rows],
            self.midline[rows],
            self.similarity[rows],
            tuple(self.axis_source[row] for row in rows),
            None if self.crop is None else self.crop[rows],
        )


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of one face, with what hides it.

    Attributes:
        clip_id: name of the clip, unique in its source.
        subject_id: name of the person; splits and bootstraps go by it.
        observed: ``[T, H, W, 3]`` uint8 RGB, what the camera saw, occluder included.
        mask: ``[T, H, W]`` uint8 0/1, 1 where the occluder is.
        track: where the face is.
        frames: ``[T, H, W, 3]`` uint8 RGB without the occluder, or ``None`` where nobody knows it
            (a really occluded recording).  Equals ``observed`` wherever ``mask`` is 0.
        frame_index: ``[T]`` int64, the frames' numbers in the recording.
    """

    clip_id: str
    subject_id: str
    observed: UInt8Array
    mask: UInt8Array
    track: FaceTrack
    frames: UInt8Array | None
    frame_index: NDArray[np.int64]

    def __post_init__(self) -> None:
        check_shape("observed", self.observed, (None, None, None, 3))
        length, height, width, _ = self.observed.shape
        check_shape("mask", self.mask, (length, height, width))
        check_shape("frame_index", self.frame_index, (length,))
        if len(self.track) != length:
            raise ValueError(f"track: expected {length} frames, got {len(self.track)}")
        if self.frames is not None:
            check_same_shape("frames", self.frames, "observed", self.observed)

    def __len__(self) -> int:
        return len(self.observed)

    def pick(self, frames: Sequence[int]) -> "Clip":
        """Return some of the frames as a clip, in the order given, without their truth."""
        rows = list(frames)
        return replace(
            self,
            observed=self.observed[rows],
            mask=self.mask[rows],
            track=self.track.pick(rows),
            frames=None,
            frame_index=self.frame_index[rows],
        )

    def with_mask(self, mask: UInt8Array) -> "Clip":
        """Return the clip with another mask (e.g. its boxes), all else unchanged."""
        return replace(self, mask=mask)


@dataclass(frozen=True)
class PastSelection:
    """Which unobstructed frames make the past guide (decisions 21).

    Attributes:
        select: ``"recent"``, the latest one before (the paper); ``"matched"``, the one that
            explains best what is visible now; ``"bank"``, a mixture of several.
        reach: ``"past"``, frames before the current one; ``"both"``, those after it, too.
        size: how many differing frames ``matched`` and ``bank`` have to choose from.
        carried: how many of them ``bank`` carries to a frame and mixes; the cost grows with it.
        mirrored: whether what has changed in the visible half of the face since those frames is
            shown in the hidden half, too.

    Raises:
        ValueError: if a value is unknown or out of range.
    """

    select: str = "recent"
    reach: str = "past"
    size: int = 16
    carried: int = 6
    mirrored: bool = False

    def __post_init__(self) -> None:
        check_one_of("past.select", self.select, PAST_SELECTIONS)
        check_one_of("past.reach", self.reach, PAST_REACHES)
        for name, number in (("past.size", self.size), ("past.carried", self.carried)):
            if not isinstance(number, int) or isinstance(number, bool):
                raise ValueError(f"{name}: expected a whole number, got {number!r}")
            check_number(name, number, 1, 1000)
        if not isinstance(self.mirrored, bool):
            raise ValueError(f"past.mirrored: expected true or false, got {self.mirrored!r}")
        if not self.mixes and self.reach == "both":
            raise ValueError(
                "past.reach: 'both' needs frames to choose from, and select=recent has one; "
                "set select=bank or select=matched, or reach=past"
            )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "PastSelection":
        """Return what settings by name say.

        Raises:
            ValueError: if there is no such setting.
        """
        for name in settings:
            check_one_of("past", name, [one.name for one in fields(cls)])
        return cls(**settings)

    @property
    def mixes(self) -> bool:
        """Whether there are several frames to choose from, or to mix."""
        return self.select != "recent"

    @property
    def most_carried(self) -> int:
        """How many frames are carried to one: the best alone, or several."""
        return 1 if self.select == "matched" else self.carried


@dataclass(frozen=True)
class Guides:
    """The guide images of each frame of a clip (paper 3.2).

    Attributes:
        images: ``[T, G, H, W, 3]`` uint8 RGB, geometrically aligned to the current frame; mid-grey
            (128) where a guide knows nothing.
        valid: ``[T, G]`` bool, False where a guide does not exist (no clear past frame yet).
        past_index: ``[T]`` int64, index in the clip of the past unobstructed frame, -1 for none.
        references: for each frame whose past guide is a mixture, the weights of the frames in it by
            their number in the recording.
    """

    images: UInt8Array
    valid: NDArray[np.bool_]
    past_index: NDArray[np.int64]
    references: Mapping[int, Mapping[int, float]] = field(default_factory=dict)


class GuideBuilder(Protocol):
    """Finds the guide images of a clip by itself."""

    kinds: tuple[str, ...]

    def __call__(self, clip: Clip) -> Guides:
        """Return the guides of every frame of ``clip``."""
        ...


class Restorer(Protocol):
    """Anything that fills the hole: DiffMVR, its rivals and the floor."""

    name: str

    def restore(self, clip: Clip) -> UInt8Array:
        """Return ``[T, H, W, 3]`` uint8; equal to ``clip.observed`` wherever the mask is 0."""
        ...


@dataclass(frozen=True)
class ClipBatch:
    """Whole clips of consecutive frames, as the restoration model takes them.

    Attributes:
        pixel_values: ``[B, T, 3, H, W]`` float in [-1, 1], the clean target where known, else what
            the camera saw.  The model sees ``(1 - mask) * pixel_values`` only.
        mask: ``[B, T, 1, H, W]`` float 0/1, 1 = restore.
        guide_pixel_values: ``[B, T, G, 3, H, W]`` float in [-1, 1].
        guide_valid: ``[B, T, G]`` bool.
        frame_index: ``[B, T]`` int64.
        clip_id: B names.
        subject_id: B names.
        observed_pixel_values: ``[B, T, 3, H, W]`` float in [-1, 1], the occluder included; for
            pictures only.
        similarity: ``[B, T, 2, 3]`` float, canonical face coordinates → pixels (``FaceTrack``).
    """

    pixel_values: Tensor
    mask: Tensor
    guide_pixel_values: Tensor
    guide_valid: Tensor
    frame_index: Tensor
    clip_id: tuple[str, ...]
    subject_id: tuple[str, ...]
    observed_pixel_values: Tensor
    similarity: Tensor

    def __post_init__(self) -> None:
        check_shape("pixel_values", self.pixel_values, (None, None, 3, None, None))
        b, t, _, h, w = self.pixel_values.shape
        check_shape("mask", self.mask, (b, t, 1, h, w))
        check_shape("guide_pixel_values", self.guide_pixel_values, (b, t, None, 3, h, w))
        g = self.guide_pixel_values.shape[2]
        check_shape("guide_valid", self.guide_valid, (b, t, g))
        check_shape("frame_index", self.frame_index, (b, t))
        check_shape("observed_pixel_values", self.observed_pixel_values, (b, t, 3, h, w))
        check_shape("similarity", self.similarity, (b, t, 2, 3))

    @property
    def num_frames(self) -> int:
        """B·T."""
        return self.mask.shape[0] * self.mask.shape[1]

    @property
    def masked_pixel_values(self) -> Tensor:
        """``[B, T, 3, H, W]``: (1 - m) ⊙ v, the hole filled with 0 (mid-grey); decisions 1."""
        return (1.0 - self.mask) * self.pixel_values

    def to(self, device: torch.device | str) -> "ClipBatch":
        """Return the batch with every tensor on ``device`` (Lightning calls this)."""
        moved = {
            f.name: getattr(self, f.name).to(device)
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)

    def pin_memory(self) -> "ClipBatch":
        """Return the batch in pinned memory (the DataLoader calls this)."""
        pinned = {
            f.name: getattr(self, f.name).pin_memory()
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **pinned)


def window_of(clip: Clip, guides: Guides, start: int, stop: int) -> tuple[Clip, Guides]:
    """Cut frames start … stop-1 out of a clip and its guides.

    ``past_index`` keeps counting from the start of the whole clip.
    """
    part = slice(start, stop)
    window = Clip(
        clip_id=clip.clip_id,
        subject_id=clip.subject_id,
        observed=clip.observed[part],
        mask=clip.mask[part],
        track=clip.track[part],
        frames=None if clip.frames is None else clip.frames[part],
        frame_index=clip.frame_index[part],
    )
    return window, Guides(guides.images[part], guides.valid[part], guides.past_index[part])


def join_clips(first: Clip, second: Clip) -> Clip:
    """Return the frames of one clip followed by those of another, under the second's name.

    The truth and the crop are kept only if both clips have them.
    """

    def join(a: Any, b: Any) -> Any:
        return None if a is None or b is None else np.concatenate([a, b])

    before, after = first.track, second.track
    return Clip(
        clip_id=second.clip_id,
        subject_id=second.subject_id,
        observed=join(first.observed, second.observed),
        mask=join(first.mask, second.mask),
        track=FaceTrack(
            face_box=join(before.face_box, after.face_box),
            midline=join(before.midline, after.midline),
            similarity=join(before.similarity, after.similarity),
            axis_source=before.axis_source + after.axis_source,
            crop=join(before.crop, after.crop),
        ),
        frames=join(first.frames, second.frames),
        frame_index=join(first.frame_index, second.frame_index),
    )


def to_pixel_values(images: UInt8Array) -> Tensor:
    """Convert uint8 ``[..., H, W, 3]`` to float ``[..., 3, H, W]`` in [-1, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, -3)
    return tensor.float().div_(127.5).sub_(1.0)


def check_finite_frames(pixel_values: Tensor, frames: Sequence[int], source: str) -> None:
    """Require finite pixels of a model: in uint8 nobody sees that one was none.

    Args:
        pixel_values: ``[N, ...]`` float.
        frames: N numbers of the frames, for the message.
        source: the clip or recording that they are of, for the message.

    Raises:
        ValueError: with the first frame that has a value that is infinite or no number.
    """
    finite = pixel_values.isfinite().flatten(1)
    broken = (~finite.all(dim=1)).nonzero().flatten().tolist()
    if broken:
        first = broken[0]
        raise ValueError(
            f"{source}: expected finite pixels from the model, got {int((~finite[first]).sum()):,} "
            f"values of frame {frames[first]} infinite or no number"
            + (f", and {len(broken) - 1} more such frames" if len(broken) > 1 else "")
            + "; compute in float32, or take other weights"
        )


def to_uint8(
    pixel_values: Tensor, frames: Sequence[int] | None = None, source: str = "pixel_values"
) -> UInt8Array:
    """Convert float ``[..., 3, H, W]`` in [-1, 1] to uint8 ``[..., H, W, 3]`` (clamped).

    Args:
        pixel_values: ``[..., 3, H, W]``.
        frames: numbers of the frames along the first dimension, for messages; None: from 0 on.
        source: the clip or recording that they are of, for messages.

    Raises:
        ValueError: if a value is not finite; see ``check_finite_frames``.
    """
    check_finite_frames(pixel_values, frames or range(len(pixel_values)), source)
    scaled = pixel_values.detach().float().clamp(-1, 1).add(1.0).mul(127.5).round()
    return scaled.to(torch.uint8).movedim(-3, -1).cpu().numpy()


def collate_clips(samples: Sequence[tuple[Clip, Guides]]) -> ClipBatch:
    """Stack clips of equal length and size, and their guides, into a batch.

    Raises:
        ValueError: if the samples differ in length, size or number of guides.
    """
    shapes = {(clip.observed.shape, guides.images.shape) for clip, guides in samples}
    if len(shapes) != 1:
        raise ValueError(f"clips of one batch must have one shape, got {sorted(shapes)}")
    clips = [clip for clip, _ in samples]
    observed = np.stack([clip.observed for clip in clips])
    clean = np.stack([clip.observed if clip.frames is None else clip.frames for clip in clips])
    mask: Any = np.stack([clip.mask for clip in clips])[:, :, None]
    return ClipBatch(
        pixel_values=to_pixel_values(clean),
        mask=torch.from_numpy(mask).float(),
        guide_pixel_values=to_pixel_values(np.stack([guides.images for _, guides in samples])),
        guide_valid=torch.from_numpy(np.stack([guides.valid for _, guides in samples])),
        frame_index=torch.from_numpy(np.stack([clip.frame_index for clip in clips])),
        clip_id=tuple(clip.clip_id for clip in clips),
        subject_id=tuple(clip.subject_id for clip in clips),
        observed_pixel_values=to_pixel_values(observed),
        similarity=torch.from_numpy(np.stack([clip.track.similarity for clip in clips])).float(),
    )
