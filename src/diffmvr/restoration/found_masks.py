"""Masks for a recording that has none: what hides the face, found by a detector."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from diffmvr.preprocessing.backends import default_cleaning
from diffmvr.preprocessing.crop import CROP_SCALE, CropTransform
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.preprocessing.occlusion import clean_mask
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.scene_layout import fill_scene_gaps, mask_in_frame
from diffmvr.preprocessing.sightings import (
    REGION_SCALE,
    REGION_SIZE,
    pack_mask,
    unpack_mask,
)
from diffmvr.structures import UInt8Array


class FoundMasks:
    """Masks by frame number; frames without one are clear.

    Of each frame only the region's mask is kept, bit by bit.

    Args:
        name: what found them, for reports.
        regions: of each frame: the square and its packed mask.
        count: number of frames of the recording.
        frame_size: (height, width).
    """

    endless = False
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        regions: dict[int, tuple[CropTransform, UInt8Array | None]],
        count: int,
        frame_size: tuple[int, int],
    ) -> None:
        self.path = Path(name)
        self.regions = regions
        self.count = count
        self._frame_size = frame_size

    def __iter__(self) -> Iterator[UInt8Array]:
        """Draw ``[H, W]`` 0/1 masks, one for each frame of the recording."""
        for index in range(self.count):
            if index in self.regions:
                region, packed = self.regions[index]
                yield mask_in_frame(unpack_mask(packed), region)
            else:
                yield np.zeros(self._frame_size, np.uint8)

    @classmethod
    def find(
        cls,
        frames: FrameSource,
        scanner: Scanner,
        kind: str,
        on_frame: Callable[[], None] | None = None,
    ) -> "FoundMasks":
        """Read a recording once and find what hides the face.

        Args:
            frames: the recording.
            scanner: with a finder of occluders.
            kind: ``"segmentation"`` or ``"bbox"``.
            on_frame: called after each frame.

        Raises:
            ValueError: if no face is found in the recording.
        """
        # Clean-up is set in pixels of a crop, which shows a face at another size than a region.
        cleaning = default_cleaning(kind, round(REGION_SIZE / REGION_SCALE * CROP_SCALE))
        regions: dict[int, tuple[CropTransform, UInt8Array | None]] = {}
        count = sightings = 0

        def counted() -> Iterator[FrameAndMask]:
            nonlocal count
            for frame in frames:
                count += 1
                yield frame, None
                if on_frame is not None:
                    on_frame()

        for scene in scanner.scan(counted(), frames.info.time_base):
            sightings += len(scene.sightings)
            masks = fill_scene_gaps(scene.sightings, cleaning.fill_gap)
            for sighting, mask in zip(scene.sightings, masks, strict=True):
                if mask.any():
                    clean = clean_mask(mask, cleaning.close, cleaning.dilate)
                    regions[sighting.index] = (sighting.region, pack_mask(clean))
        if not sightings:
            raise ValueError(
                f"mask: none is given for {frames.path}, and no face was found in it; give "
                "mask=VIDEO, mask=FOLDER of PNGs or mask=PNG (non-zero = hidden), or "
                "face_box=[x0,y0,x1,y1]"
            )
        return cls(f"found by {kind}", regions, count, (frames.info.height, frames.info.width))
