"""The first pass over a recording: where the face is, and what hides it, scene by scene.

Of each frame only numbers and a small mask are kept, and only until its scene ends; a scene of a
long recording ends after ``max_frames``, so memory does not grow with the recording.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from diffmvr.checks import check_number
from diffmvr.preprocessing.crop import CropTransform, square_region
from diffmvr.preprocessing.cuts import is_cut, thumbnail
from diffmvr.preprocessing.detection import Detections, Detector, MediapipeFaces, Search
from diffmvr.preprocessing.face import boxes_around
from diffmvr.preprocessing.face_search import find_anywhere, find_faces
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.preprocessing.head_motion import HeadFollower
from diffmvr.preprocessing.lead_frames import LEAD_FRAMES, LeadFrame
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.sightings import (
    DAMAGED,
    NO_FACE,
    REGION_SCALE,
    REGION_SIZE,
    Scene,
    Sighting,
    Skipped,
    pack_mask,
)
from diffmvr.preprocessing.tracking import FaceTracker
from diffmvr.structures import FloatArray, UInt8Array

log = logging.getLogger(__name__)

HIDDEN_SHARE = 0.15
"""A face that is not seen is taken to be hidden, and not gone, if what hides it covers this much of
its last box."""

BLIND_PERIOD = 12
"""A face that is not seen is looked for in the whole frame once in so many frames."""


class Landmarks(Protocol):
    """What finds landmarks; see ``FaceLandmarker``."""

    def detect(self, image: UInt8Array, mask: UInt8Array | None = None) -> FloatArray | None:
        """Return ``[478, 2]`` in pixels of the next image, or ``None``."""
        ...

    def close(self) -> None:
        """Forget the video."""
        ...


@dataclass
class _State:
    """The scene that is being read."""

    sightings: list[Sighting] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    lead: deque[LeadFrame] = field(default_factory=deque)
    # Frames since the face was seen or hidden, and since it was seen.
    unseen: int = 0
    blind: int = 0
    elsewhere: bool = False
    thumbnail: FloatArray | None = None


class Scanner:
    """Reads frames and lays down what they show.

    Args:
        faces: finds faces in a frame.
        faces_name: its name, for the manifest.
        landmarker: finds landmarks in the region, or ``None``.
        occluders: finds what hides the face in the region; ``None`` if masks are given, or none
            are wanted.
        max_gap: a face that is neither seen nor hidden for more frames than this has left.
        max_frames: most frames of a scene.

    Attributes:
        on_sighting: called with every frame that shows the face, and what is known of it.
    """

    def __init__(
        self,
        faces: Detector,
        faces_name: str,
        landmarker: Landmarks | None = None,
        occluders: OccluderFinder | None = None,
        max_gap: int = 10,
        max_frames: int = 600,
    ) -> None:
        check_number("max_gap", max_gap, 0, 10_000)
        check_number("max_frames", max_frames, 1, 100_000)
        self.faces, self.faces_name = faces, faces_name
        self.landmarker, self.occluders = landmarker, occluders
        self.max_gap, self.max_frames = max_gap, max_frames
        # Frames without a face: those that may turn out to be hidden, and those that wait for more.
        self._lead_frames, self._max_skipped = LEAD_FRAMES, max_frames
        self.on_sighting: Callable[[Frame, Sighting], None] | None = None
        self._tracker = FaceTracker()
        self._head = HeadFollower()
        self._state = _State()
        self._shot = 0

    def hurry(self, lookahead: int) -> None:
        """Let no frame wait for more than so many later ones before its scene is handed on.

        Args:
            lookahead: 0 hands every frame on by itself; what is as long as a recording, and no
                longer than ``max_frames``, changes nothing.
        """
        check_number("lookahead", lookahead, 0, 100_000)
        self.max_frames = min(self.max_frames, lookahead + 1)
        self._lead_frames = min(LEAD_FRAMES, lookahead)
        self._max_skipped = min(self._max_skipped, max(1, lookahead + 1 - LEAD_FRAMES))

    def scan(
        self, frames: Iterable[FrameAndMask], unit: Fraction, lost: deque[int] | None = None
    ) -> Iterator[Scene]:
        """Read frames and yield their scenes; a scene may consist of skipped frames alone.

        Args:
            frames: frames in order, each with its mask if one is given.
            unit: seconds per unit of the frames' time.
            lost: where the reader of the frames puts the numbers of those that are damaged; it is
                emptied on the way.
        """
        self._restart()
        self._shot = 0
        lost = deque() if lost is None else lost
        for frame, mask in frames:
            time = float(frame.pts * unit)
            yield from self._leave_out(lost)
            small = thumbnail(frame.image, mask)
            before = self._state.thumbnail
            if before is not None and is_cut(before, small):
                log.debug("a new scene begins at frame %d", frame.index)
                yield from self._end()
                self._shot += 1
            self._state.thumbnail = small
            self._look(frame, mask, time)
            if self._state.unseen > self.max_gap or self._state.elsewhere:
                log.debug("the face has left at frame %d", frame.index)
                yield from self._end()
            elif len(self._state.sightings) >= self.max_frames:
                yield self._split()
            elif len(self._state.skipped) >= self._max_skipped and not self._state.sightings:
                yield Scene([], self._state.skipped, self._shot)
                self._state.skipped = []
        yield from self._leave_out(lost)
        yield from self._end()

    def _look(self, frame: Frame, mask: UInt8Array | None, time: float) -> None:
        """Put one frame on record."""
        height, width = frame.image.shape[:2]
        first = self._tracker.box is None
        square = None if first else self._tracker.square
        # A face that was lost is looked for anywhere now and then.
        due = self._state.blind % BLIND_PERIOD == BLIND_PERIOD - 1
        by_landmarks = self.faces.search is Search.LANDMARKS
        if by_landmarks and due:
            found = find_anywhere(self.faces, frame)
        else:
            found = find_faces(self.faces, frame, square)
        seen = self._tracker.update(found)
        self._state.elsewhere = len(found) > 0 and not seen and by_landmarks
        source = self.faces_name
        if self._tracker.box is None:
            self._wait(frame, mask, time)
            return
        if first:
            self._look_back()
        region = self._region((height, width))
        image = region.apply(frame.image)
        hidden = self._hidden(image, region, mask)
        landmarks: Any = None
        whole = isinstance(self.faces, MediapipeFaces) and (first or due)
        if isinstance(self.faces, MediapipeFaces) and whole:
            # The landmarker has seen this frame; it is asked once.
            landmarks = self.faces.points if seen else None
        elif self.landmarker is not None:
            landmarks = self.landmarker.detect(image, hidden if hidden.any() else None)
            landmarks = None if landmarks is None else region.to_frame(landmarks)
        points = self._head.follow(image, hidden, region, landmarks)
        if points is not None and not whole and (not seen or by_landmarks):
            found = Detections(boxes_around(points[None]), np.ones(1))
            if self._tracker.update(found) and landmarks is not None:
                seen, source = True, "mediapipe"
        box = self._tracker.box
        covered = _share(hidden, region.to_crop(box.reshape(2, 2)).ravel())
        self._state.blind = 0 if seen else self._state.blind + 1
        if due and not seen and not by_landmarks:
            # It may be hidden, or what hides it was left alone in the picture.
            found = find_anywhere(self.faces, frame)
            self._state.elsewhere = len(found) > 0 and not self._tracker.update(found)
        self._state.unseen = 0 if seen or covered >= HIDDEN_SHARE else self._state.unseen + 1
        sighting = Sighting(
            frame.index,
            time,
            region,
            None if points is None else points.astype(np.float32),
            box,
            source if seen else "carried",
            covered,
            pack_mask(hidden),
            moved=landmarks is None and points is not None,
        )
        self._state.sightings.append(sighting)
        if self.on_sighting is not None:
            self.on_sighting(frame, sighting)

    def _region(self, frame_size: tuple[int, int]) -> CropTransform:
        x, y, side = self._tracker.square
        return square_region(np.array([x, y]), REGION_SCALE * side, REGION_SIZE, frame_size)

    def _hidden(
        self, image: UInt8Array, region: CropTransform, mask: UInt8Array | None
    ) -> UInt8Array:
        """Return what hides the region, ``[REGION_SIZE, REGION_SIZE]``."""
        if mask is not None:
            return region.apply_mask(mask)
        if self.occluders is not None:
            return self.occluders.find(image)
        return np.zeros((REGION_SIZE, REGION_SIZE), np.uint8)

    def _wait(self, frame: Frame, mask: UInt8Array | None, time: float) -> None:
        """Keep a frame in which no face was seen yet."""
        lead = self._state.lead
        lead.append(LeadFrame.reduced(frame, mask, time))
        if len(lead) > self._lead_frames:
            gone = lead.popleft()
            self._state.skipped.append(Skipped(gone.index, gone.time, NO_FACE))

    def _look_back(self) -> None:
        """Take the frames just before the face is first seen, as far as it is hidden in them."""
        box = self._tracker.box
        if box is None:
            return
        kept: list[Sighting] = []
        while self._state.lead:
            lead = self._state.lead[-1]
            region = self._region(lead.frame_size)
            shown = lead.crop_of(region)
            hidden = self._hidden(shown.apply(lead.image), shown, lead.mask)
            covered = _share(hidden, region.to_crop(box.reshape(2, 2)).ravel())
            if covered < HIDDEN_SHARE:
                break
            self._state.lead.pop()
            packed = pack_mask(hidden)
            kept.append(
                Sighting(lead.index, lead.time, region, None, box, "carried", covered, packed)
            )
        self._state.skipped += [Skipped(a.index, a.time, NO_FACE) for a in self._state.lead]
        self._state.lead.clear()
        self._state.sightings += reversed(kept)

    def _split(self) -> Scene:
        """Cut a long scene, where the next one has a clear frame to begin with if there is one."""
        state = self._state
        half = len(state.sightings) // 2
        at = len(state.sightings)
        for k in range(at - 1, half, -1):
            if state.sightings[k].covered == 0 and state.sightings[k].box_source != "carried":
                at = k
                break
        scene = Scene(state.sightings[:at], state.skipped, self._shot)
        state.sightings, state.skipped = state.sightings[at:], []
        return scene

    def _end(self) -> Iterator[Scene]:
        """Close the scene; frames at its end in which the face was neither seen nor hidden go."""
        state = self._state
        # Some of them may have been handed on.
        stop = max(0, len(state.sightings) - state.unseen)
        gone = [(one.index, one.time) for one in state.sightings[stop:]]
        gone += [(one.index, one.time) for one in state.lead]
        skipped = state.skipped + [Skipped(index, time, NO_FACE) for index, time in gone]
        scene = Scene(state.sightings[:stop], skipped, self._shot)
        self._restart()
        if scene.sightings or scene.skipped:
            yield scene

    def _leave_out(self, lost: deque[int]) -> Iterator[Scene]:
        """Close the scene before damaged frames, and put those on record."""
        if lost:
            yield from self._end()
            self._shot += 1
            log.warning("frames %d to %d are damaged and left out", lost[0], lost[-1])
            self._state.skipped += [Skipped(index, None, DAMAGED) for index in lost]
            lost.clear()

    def _restart(self) -> None:
        self._state = _State()
        self._tracker.reset()
        self._head.reset()
        self.faces.close()
        if self.landmarker is not None:
            self.landmarker.close()


def _share(mask: UInt8Array, box: FloatArray) -> float:
    """Return how much of a box (pixels of the mask) is hidden."""
    x0, y0 = np.clip(np.round(box[:2]).astype(int), 0, mask.shape[0])
    x1, y1 = np.clip(np.round(box[2:]).astype(int) + 1, 0, mask.shape[0])
    inside = mask[y0:y1, x0:x1]
    return float(inside.mean()) if inside.size else 0.0
