"""What was done to a recording, as ``report.json`` (strict JSON: no NaN, no Infinity)."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffmvr.doubt.judgement import DoubtMap, FrameDoubt
from diffmvr.files import write_rows
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.restoration.self_check import SelfCheck
from diffmvr.runs.facts import package_versions
from diffmvr.structures import UInt8Array


@dataclass(frozen=True)
class ReferenceRecord:
    """One of the frames and pictures that a past guide was mixed of.

    Attributes:
        index: number of the frame; ``None`` for a picture of the user's own.
        age: how many frames ago that was; negative for a later frame.
        weight: its mean weight in the hole; those of a frame sum to 1, and some may be negative.
        picture: name of the user's picture.
    """

    index: int | None
    age: int | None
    weight: float
    picture: str | None = None


@dataclass(frozen=True)
class FrameRecord:
    """What was done to one frame; a row of the report.

    Attributes:
        index: number of the frame, from 0.
        time: seconds.
        restored: whether anything was hidden.
        mask_share: hidden share of the frame.
        past_index: number of the frame that was the past guide; ``None`` for none.
        past_age: how many frames ago that was.
        guide_valid: for each guide, whether it existed; empty for a frame without a hole.
        references: the frames and pictures that the past guide was mixed of; none where it is one
            frame.
        axis_source: where the facial midline came from; see ``FaceTrack``.
        region_source: what found the square; see ``ScenePlan``.
        crop: x0, y0 and side of that square, in pixels from the frame's upper left edge; the model
            restores what is hidden in it.
        region: the same of the square that holds the hole as well; what is hidden outside ``crop``
            comes from past clear frames and inpainting.
        beyond: of a mask that was found and reaches the border of the square in which it was looked
            for: whether it was ``"followed"`` into the frame around or is ``"cut"`` off there.
        doubt: how sure it is; ``None`` for a frame without a hole, and where nobody says.
    """

    index: int
    time: float
    restored: bool
    mask_share: float
    past_index: int | None
    past_age: int | None
    guide_valid: dict[str, bool]
    references: tuple[ReferenceRecord, ...]
    axis_source: str
    region_source: str
    crop: tuple[float, float, float]
    region: tuple[float, float, float]
    beyond: str | None = None
    doubt: FrameDoubt | None = None

    @property
    def abstained(self) -> bool:
        """Whether the frame is not restored, since its doubt is larger than the user allows."""
        return self.doubt is not None and self.doubt.abstained

    def as_planned(self) -> "FrameRecord":
        """Return what the record said before the frame's guides were found."""
        return replace(
            self, past_index=None, past_age=None, guide_valid={}, references=(), doubt=None
        )


class Result(NamedTuple):
    """A frame with its hole filled.

    Attributes:
        frame: it.
        record: what was done.
        doubt: how sure each pixel is, where that is known.
    """

    frame: Frame
    record: FrameRecord
    doubt: DoubtMap | None = None


@dataclass(frozen=True, eq=False)
class RestoredFrame:
    """One frame before and after.

    Attributes:
        observed: the frame as it was read.
        restored: the same frame with its hole filled; the same object where nothing was hidden.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        record: what was done.
        doubt: how sure each pixel is, where that is known.
    """

    observed: Frame
    restored: Frame
    mask: UInt8Array
    record: FrameRecord
    doubt: DoubtMap | None = None

    @property
    def synthesised(self) -> UInt8Array:
        """``[H, W]`` 0/1, 1 where the restored frame is not the recording's.

        It is the mask, unless the frame is not restored and shows what hides the face.
        """
        if not self.record.abstained:
            return self.mask
        same = np.array_equal(self.restored.image, self.observed.image)
        return np.zeros_like(self.mask) if same else self.mask


@dataclass(frozen=True)
class RestorationReport:
    """A restoration as a whole.

    Attributes:
        input: name of the recording.
        mask: name of the masks.
        output: names of what was written, by kind (``video``, ``frames``, ``audio``, …).
        frame_rate: frames per second as an exact fraction, e.g. ``"30000/1001"``.
        size: width and height.
        seed: noise seed.
        steps: denoising steps.
        guide_kinds: the model's guides in order.
        guide_scales: α of each guide if the user chose them.
        own_guides: the user's pictures by the guide that they replace, or are mixed into.
        model: the model folder.
        weights_sha256: hash of every weights file in it.
        settings: every setting of the run.
        self_check: how far the recording's own clear frames bear the model out, if that was asked
            for and there are enough.
        notes: what a reader should know.
        frames: one record a frame.
    """

    input: str
    mask: str
    output: dict[str, str]
    frame_rate: str
    size: tuple[int, int]
    seed: int
    steps: int
    guide_kinds: tuple[str, ...]
    guide_scales: list[float] | None
    own_guides: dict[str, str | list[str]]
    model: str
    weights_sha256: dict[str, str]
    settings: dict[str, Any]
    self_check: SelfCheck | None
    notes: tuple[str, ...]
    frames: tuple[FrameRecord, ...]

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        content = {
            "restored_frames": sum(frame.restored and not frame.abstained for frame in self.frames),
            **asdict(self),
            "versions": package_versions(),
        }
        rows = content.pop("frames")
        write_rows(path, content, "frames", rows)
