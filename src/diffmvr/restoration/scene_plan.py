"""What the first pass lays out of a recording: a scene's frames, and where to restore them.

T frames of H × W, crops of p × p.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.restoration.far_references import FarReference
from diffmvr.restoration.outskirts import FoundMask
from diffmvr.structures import (
    Clip,
    FaceTrack,
    FloatArray,
    UInt8Array,
)

NO_FACE = "none"
"""Source of the region where no face was found."""


@dataclass(frozen=True, eq=False)
class ScenePlan:
    """Consecutive frames that show one face, or none, and where to restore them.

    Attributes:
        frame_index: ``[T]``, numbers of the frames in the recording.
        times: ``[T]``, seconds.
        mask_share: ``[T]``, hidden share of each frame.
        shot: number of the shot; nothing of another shot is known in this one.
        person: number of the face in the recording; ``None`` where no face was found.
        track: where the face is, in pixels of the crops; ``None`` where no face was found.
        crops: the square of each frame that goes through the model.
        regions: the square of each frame that holds its crop and its hole.
        region_source: T names of what found the square: ``"landmarks"``, ``"yolo"``, ``"given"``,
            ``"carried"`` (from frames before or after), or ``"none"`` (around the hole).
        found_masks: the masks that were found, by frame number; ``None`` where masks are given.
        trials: clear frames, hidden as others are, for the self-check.
        references: clear frames that differ, to lead hidden ones before them; none unless asked
            for.
    """

    frame_index: NDArray[np.int64]
    times: FloatArray
    mask_share: FloatArray
    shot: int
    person: int | None
    track: FaceTrack | None
    crops: tuple[CropTransform, ...]
    regions: tuple[CropTransform, ...]
    region_source: tuple[str, ...]
    found_masks: Mapping[int, FoundMask] | None = None
    trials: tuple[Clip, ...] = ()
    references: tuple[FarReference, ...] = ()

    def __len__(self) -> int:
        return len(self.frame_index)

    def mask(self, frame: Frame, given: UInt8Array | None) -> UInt8Array:
        """Return ``[H, W]`` 0/1: the given mask of a frame, or what was found."""
        if given is not None:
            return given
        found = (self.found_masks or {}).get(frame.index)
        return np.zeros(frame.image.shape[:2], np.uint8) if found is None else found.in_frame()

    def no_background(self, index: int) -> tuple[UInt8Array, UInt8Array] | None:
        """Return where a clear frame shows no background, and where perhaps; see ``FoundMask``."""
        found = (self.found_masks or {}).get(index)
        return None if found is None else found.no_background()

    def beyond(self, index: int) -> str | None:
        """Return what becomes of a found mask where its region ends; see ``FoundMask``."""
        found = (self.found_masks or {}).get(index)
        return None if found is None else found.beyond
