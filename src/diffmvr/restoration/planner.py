"""The first pass over a recording: whose face is where, and what hides it, scene by scene.

The scanner that makes clip stores lays out a restoration too, so both see a recording with the same
eyes.  Of each frame only numbers and a small mask are kept, and only until its scene is restored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from diffmvr.preprocessing.bank import ReferenceBank
from diffmvr.preprocessing.crop import CROP_SCALE, square_region
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.preprocessing.scan import HIDDEN_SHARE, Scanner
from diffmvr.preprocessing.scene_layout import MaskCleaning, SceneLayout, lay_out_after, warp_mask
from diffmvr.preprocessing.sightings import (
    DAMAGED,
    REGION_SCALE,
    REGION_SIZE,
    Scene,
    Sighting,
    Skipped,
)
from diffmvr.preprocessing.tracking import MIN_IOU, iou
from diffmvr.restoration.far_references import FarReference, later_reference, sighted_reference
from diffmvr.restoration.outskirts import FoundMask, follow, look_around
from diffmvr.restoration.regions import boxes_around_holes, cover_holes, hole_box
from diffmvr.restoration.scene_plan import NO_FACE, ScenePlan
from diffmvr.restoration.self_check import MOST_FRAMES, ClearPicture, trial_clips
from diffmvr.restoration.spread import Spread
from diffmvr.structures import (
    CLEAR_THRESHOLD,
    FloatArray,
    PastSelection,
    UInt8Array,
)


def plan(
    frames: Iterable[FrameAndMask],
    info: VideoInfo,
    scanner: Scanner,
    size: int,
    cleaning: MaskCleaning | None = None,
    past: PastSelection | None = None,
    clear_threshold: float = CLEAR_THRESHOLD,
    context: int = 0,
    must_find: bool = True,
) -> Iterator[ScenePlan]:
    """Read a recording once and lay out its restoration, scene by scene.

    Args:
        frames: the frames in order, each with its mask where masks are given.
        info: of the recording.
        scanner: finds the face, and what hides it where no masks are given.
        size: side p of the model's crops in pixels.
        cleaning: of the masks that are found; ``None``: as they are.
        past: which clear frames will make the past guide; with ``reach="both"`` each plan holds
            ``past.size`` references at most.
        clear_threshold: largest hidden share of the face box of a clear frame.
        context: how many frames before a scene smooth the path of a face that goes on in it: for
            scenes that are handed on after a few frames, see ``Scanner.hurry``.
        must_find: whether a recording without a face is an error where no masks are given.

    Yields:
        Every frame of the recording, in order.

    Raises:
        ValueError: if no masks are given, no face is found in the whole recording and one must be.
    """
    bank = ReferenceBank(past.size) if past is not None and past.reach == "both" else None
    cleaning = cleaning or MaskCleaning()
    planner = _Planner(info, scanner, size, cleaning, clear_threshold, bank, context)
    for scene in scanner.scan(planner.watch(frames), info.time_base):
        yield from planner.lay_out(scene)
    if must_find:
        planner.check()


@dataclass(frozen=True)
class _Hole:
    """What a given mask hides of a frame: its share, and the box around it (NaN: nothing)."""

    share: float
    box: FloatArray


@dataclass
class _Planner:
    """What is known of the frames between the scanner's last scene and the next one."""

    info: VideoInfo
    scanner: Scanner
    size: int
    cleaning: MaskCleaning
    clear_threshold: float
    # What may lead frames before it; None: nothing does.
    bank: ReferenceBank | None
    # How many frames of the same face before a scene it is laid out with, and these.
    context: int = 0
    recent: list[Sighting] = field(default_factory=list)
    given: dict[int, _Hole] = field(default_factory=dict)
    # Where masks are not given: what could hide a face around the region, by frame number.
    around: dict[int, UInt8Array | None] = field(default_factory=dict)
    clear: Spread[ClearPicture] = field(default_factory=lambda: Spread(2 * MOST_FRAMES))
    persons: int = 0
    # The last shot, and the face as it was last seen.
    shot: int = 0
    box: FloatArray | None = None
    masks_given: bool = False
    # The mask of the frame that is being looked at.
    mask: UInt8Array | None = None

    def __post_init__(self) -> None:
        self.scanner.on_sighting = self._see

    @property
    def frame_size(self) -> tuple[int, int]:
        return self.info.height, self.info.width

    def watch(self, frames: Iterable[FrameAndMask]) -> Iterator[FrameAndMask]:
        """Pass frames on, and note what their masks hide."""
        for frame, mask in frames:
            self.mask = mask
            if mask is not None:
                self.masks_given = True
                share = np.count_nonzero(mask) / mask.size
                self.given[frame.index] = _Hole(share, hole_box(mask))
            yield frame, mask

    def check(self) -> None:
        """Require that what hides a face was looked for somewhere."""
        if not self.persons and not self.masks_given:
            raise ValueError(
                f"mask: none is given for {self.info.name}, and no face was found in it; give "
                "mask=VIDEO, mask=FOLDER of PNGs or mask=PNG (non-zero = hidden), or "
                "face_box=[x0,y0,x1,y1]"
            )

    def lay_out(self, scene: Scene) -> Iterator[ScenePlan]:
        """Turn a scene into plans: of its face, and of the frames around that show none."""
        if scene.shot != self.shot:
            self.shot, self.box = scene.shot, None
        skipped = [one for one in scene.skipped if one.reason != DAMAGED]
        frames: list[Sighting | Skipped] = [*scene.sightings, *skipped]
        frames.sort(key=lambda one: one.index)
        for has_face, run in groupby(self._hidden_before(frames), _shows_face):
            ones: list[Any] = list(run)
            yield self._of_face(ones) if has_face else self._of_none(ones)
        if frames:
            last = frames[-1].index
            self.given = {index: hole for index, hole in self.given.items() if index > last}
            self.around = {index: seen for index, seen in self.around.items() if index > last}
            left = [one for one in self.clear.items if one.index > last]
            self.clear = Spread(2 * MOST_FRAMES)
            for picture in left:
                self.clear.add(picture)
            if self.bank is not None:
                later = tuple(one for one in self.bank.references if one.index > last)
                self.bank = ReferenceBank(self.bank.size, later)

    def _hidden_before(self, frames: Sequence[Any]) -> list[Any]:
        """Count frames just before a face is first seen to it, if their masks hide its place."""
        ordered = list(frames)
        first = next((k for k, one in enumerate(ordered) if _shows_face(one)), 0)
        for k in range(first - 1, -1, -1):
            face, one = ordered[first], ordered[k]
            hole = self.given.get(one.index)
            if hole is None or not _covered(face.box, hole.box) >= HIDDEN_SHARE:
                break
            ordered[k] = Sighting(
                one.index, one.time, face.region, None, face.box, "carried", 0.0, None
            )
        return ordered

    def _of_face(self, sightings: list[Sighting]) -> ScenePlan:
        # 1. The crops, and where the face is in them.
        goes_on = self.box is not None and iou(self.box, sightings[0].box[None])[0] >= MIN_IOU
        before = self.recent if goes_on else []
        layout = lay_out_after(
            *(before, sightings, self.frame_size, self.size, self.cleaning.fill_gap)
        )
        if self.context:
            self.recent = [*before, *sightings][-self.context :]
        index = [one.index for one in sightings]
        # 2. What is hidden.
        found: dict[int, FoundMask] | None = None
        if not self.masks_given:
            around = [self.around.get(number) for number in index]
            found = follow(sightings, layout.masks, around, self.cleaning)
        holes = [self._hole(number, found) for number in index]
        share = np.array([hole.share for hole in holes])
        # 3. Whose face it is: the one before goes on unless there was a cut, or it is elsewhere.
        self.persons += not goes_on
        self.box = sightings[-1].box
        # 4. Clear frames to try the model on.
        hidden = {
            t: warp_mask(layout.masks[t], one.region, layout.crops[t])
            for t, one in enumerate(sightings)
            if share[t] > 0 and layout.masks[t].any()
        }
        clear = {one.index: one for one in self.clear.items if one.index in set(index)}
        numbers = np.array(index)
        return ScenePlan(
            frame_index=numbers,
            times=np.array([one.time for one in sightings]),
            mask_share=share,
            shot=self.shot,
            person=self.persons - 1,
            track=layout.track,
            crops=layout.crops,
            regions=cover_holes(layout.crops, np.stack([hole.box for hole in holes])),
            region_source=tuple(
                "landmarks" if source == "landmarks" else one.box_source
                for source, one in zip(layout.track.axis_source, sightings, strict=True)
            ),
            found_masks=found,
            trials=tuple(trial_clips(share, clear, hidden, layout.crops, layout.track, numbers)),
            references=tuple(self._references(index, layout, share, found or {})),
        )

    def _references(
        self,
        index: list[int],
        layout: SceneLayout,
        share: FloatArray,
        found: Mapping[int, FoundMask],
    ) -> Iterator[FarReference]:
        """Return the scene's references, with their faces where the scene as a whole has them."""
        places = {number: t for t, number in enumerate(index)}
        for seen in () if self.bank is None else self.bank.references:
            t = places.get(seen.index)
            # A mask that was found may have come from the frames around, or have been widened.
            if t is not None and (self.masks_given or share[t] == 0):
                beside = found[seen.index].no_background() if seen.index in found else None
                yield later_reference(
                    *(seen, layout.crops[t], layout.track.similarity[t]),
                    beside=None if beside is None else beside[0],
                )

    def _of_none(self, skipped: list[Skipped]) -> ScenePlan:
        holes = [self._hole(one.index, None) for one in skipped]
        height, width = self.frame_size
        boxes = boxes_around_holes(np.stack([hole.box for hole in holes]), 1.0)
        whole = np.array([-0.5, -0.5, width - 0.5, height - 0.5])
        boxes = np.where(np.isnan(boxes), whole, boxes)
        centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, np.ptp(boxes.reshape(-1, 2, 2), axis=1)
        squares = tuple(
            square_region(centre, float(side.max()), self.size, self.frame_size)
            for centre, side in zip(centres, sides, strict=True)
        )
        return ScenePlan(
            frame_index=np.array([one.index for one in skipped]),
            times=np.array([one.time for one in skipped], float),
            mask_share=np.array([hole.share for hole in holes]),
            shot=self.shot,
            person=None,
            track=None,
            crops=squares,
            regions=squares,
            region_source=(NO_FACE,) * len(skipped),
        )

    def _hole(self, index: int, found: Mapping[int, FoundMask] | None) -> _Hole:
        if index in self.given:
            return self.given[index]
        if not found or index not in found:
            return _Hole(0.0, np.full(4, np.nan))
        mask = found[index].in_frame()
        return _Hole(np.count_nonzero(mask) / mask.size, hole_box(mask))

    def _see(self, frame: Frame, sighting: Sighting) -> None:
        """Learn from a frame that shows the face, while it is at hand."""
        if not self.masks_given and self.scanner.occluders is not None:
            region, occluders = sighting.region, self.scanner.occluders
            self.around[frame.index] = look_around(frame.image, region, occluders)
        self._keep_clear(frame, sighting)
        seen = sighting.box_source != "carried" and sighting.covered <= self.clear_threshold
        if self.bank is not None and seen and (self.masks_given or sighting.packed_mask is None):
            self.bank = self.bank.add(sighted_reference(frame, self.mask, sighting))

    def _keep_clear(self, frame: Frame, sighting: Sighting) -> None:
        """Keep some of the frames of which nothing is hidden, at the face."""
        hole = self.given.get(frame.index)
        if sighting.packed_mask is not None or (hole is not None and hole.share > 0):
            return
        picture = None
        if self.clear.wants_next():
            region = sighting.region
            native = int(np.ceil(region.size / region.matrix[0, 0]))
            wanted = int(np.ceil(2 * self.size * REGION_SCALE / CROP_SCALE))
            square = region.resized(min(native, max(REGION_SIZE, wanted)))
            picture = ClearPicture(frame.index, square.apply(frame.image), square)
        self.clear.add(picture)


def _shows_face(one: Sighting | Skipped) -> bool:
    return isinstance(one, Sighting)


def _covered(face: FloatArray, hole: FloatArray) -> float:
    """Return the share of a face box that the box around a hole covers; NaN without a hole."""
    low, high = np.maximum(face[:2], hole[:2]), np.minimum(face[2:], hole[2:])
    return float(np.maximum(high - low, 0).prod() / (face[2:] - face[:2]).prod())
