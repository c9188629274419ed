"""The first pass over a recording: where the face is, and what hides it, scene by scene.

Of each frame only numbers and a small mask are kept, and only until its scene ends; a scene of a
long recording ends after ``max_frames``, so memory does not grow with the recording.

A *region* is a square of the frame around the face, ``REGION_SCALE`` faces wide, shown to the
detectors of occluders and landmarks at ``REGION_SIZE`` pixels.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import cv2
import numpy as np

from diffmvr.checks import check_number
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.detection import (
    Detections,
    Detector,
    GivenBoxes,
    MediapipeFaces,
    box_around,
)
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.tracking import FaceTracker, square_region
from diffmvr.structures import FloatArray, UInt8Array

log = logging.getLogger(__name__)

REGION_SIZE = 320
REGION_SCALE = 1.8

WINDOW_SCALE = 2.0
"""Side of the square that is searched for a face that was seen before, in faces."""

HIDDEN_SHARE = 0.15
"""A face that is not seen is taken to be hidden, and not gone, if what hides it covers this much of
its last box."""

BLIND_PERIOD = 12
"""A face that is not seen is looked for in the whole frame once in so many frames."""

LEAD_FRAMES = 24
LEAD_SIZE = 480
"""So many frames before a face is first seen are kept, at this longer side: it may have been hidden
in them."""

CUT_DIFFERENCE = 20.0
CUT_CORRELATION = 0.5
"""Two frames belong to different scenes if their thumbnails differ by more than this many grey
levels on average, and are less alike than this."""

NO_FACE = "no face"
DAMAGED = "damaged"

FrameAndMask = tuple[Frame, UInt8Array | None]


class Landmarks(Protocol):
    """What finds landmarks; see ``FaceLandmarker``."""

    def detect(self, image: UInt8Array, mask: UInt8Array | None = None) -> FloatArray | None:
        """Return ``[478, 2]`` in pixels of the next image, or ``None``."""
        ...

    def close(self) -> None:
        """Forget the video."""
        ...


@dataclass(frozen=True, eq=False)
class Sighting:
    """One frame that shows the face, or what hides it.

    Attributes:
        index: number of the frame in the recording.
        time: seconds.
        region: the square around the face.
        points: ``[478, 2]`` float32 landmarks in pixels of the frame, or ``None``.
        box: ``[4]``, the face in pixels of the frame, as last seen.
        box_source: name of what found the box in this frame, or ``"carried"``.
        covered: share of the box that is hidden.
        packed_mask: the mask of the region, bit by bit; ``None`` if nothing is hidden.
    """

    index: int
    time: float
    region: CropTransform
    points: FloatArray | None
    box: FloatArray
    box_source: str
    covered: float
    packed_mask: UInt8Array | None

    @property
    def mask(self) -> UInt8Array:
        """``[REGION_SIZE, REGION_SIZE]`` 0/1, what hides the region."""
        if self.packed_mask is None:
            return np.zeros((REGION_SIZE, REGION_SIZE), np.uint8)
        return np.unpackbits(self.packed_mask).reshape(REGION_SIZE, REGION_SIZE)


@dataclass(frozen=True)
class Skipped:
    """One frame that is left out.

    Attributes:
        index: number of the frame in the recording.
        time: seconds; ``None`` if the frame could not be read.
        reason: why.
    """

    index: int
    time: float | None
    reason: str


@dataclass(frozen=True)
class Scene:
    """Consecutive frames of one face, and the frames around them that were left out."""

    sightings: list[Sighting]
    skipped: list[Skipped]


@dataclass(frozen=True)
class _Lead:
    """A frame before the face was seen, made smaller."""

    index: int
    time: float
    image: UInt8Array
    mask: UInt8Array | None
    frame_size: tuple[int, int]


@dataclass
class _State:
    """The scene that is being read."""

    sightings: list[Sighting] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    lead: deque[_Lead] = field(default_factory=deque)
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
        check_number("max_frames", max_frames, 2, 100_000)
        self.faces, self.faces_name = faces, faces_name
        self.landmarker, self.occluders = landmarker, occluders
        self.max_gap, self.max_frames = max_gap, max_frames
        self._tracker = FaceTracker()
        self._state = _State()

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
        lost = deque() if lost is None else lost
        for frame, mask in frames:
            time = float(frame.pts * unit)
            if lost:
                yield from self._end()
                log.warning("frames %d to %d are damaged and left out", lost[0], lost[-1])
                self._state.skipped += _damaged(lost)
            thumbnail = _thumbnail(frame.image)
            before = self._state.thumbnail
            if before is not None and is_cut(before, thumbnail):
                log.info("a new scene begins at frame %d", frame.index)
                yield from self._end()
            self._state.thumbnail = thumbnail
            self._look(frame, mask, time)
            if self._state.unseen > self.max_gap or self._state.elsewhere:
                log.info("the face has left at frame %d", frame.index)
                yield from self._end()
            elif len(self._state.sightings) >= self.max_frames:
                yield self._split()
        if lost:
            yield from self._end()
            log.warning("frames %d to %d are damaged and left out", lost[0], lost[-1])
            self._state.skipped += _damaged(lost)
        yield from self._end()

    def _look(self, frame: Frame, mask: UInt8Array | None, time: float) -> None:
        """Put one frame on record."""
        height, width = frame.image.shape[:2]
        first = self._tracker.box is None
        seen = self._tracker.update(self._find_faces(frame))
        source = self.faces_name
        if self._tracker.box is None:
            self._wait(frame, mask, time)
            return
        if first:
            self._look_back()
        region = self._region((height, width))
        image = region.apply(frame.image)
        hidden = self._hidden(image, region, mask)
        points = None
        if self.landmarker is not None:
            points = self.landmarker.detect(image, hidden if hidden.any() else None)
        if points is not None:
            points = region.to_frame(points).astype(np.float32)
            if not seen or isinstance(self.faces, MediapipeFaces):
                found = Detections(box_around(points), np.ones(1))
                if self._tracker.update(found):
                    seen, source = True, "mediapipe"
        box = self._tracker.box
        covered = _share(hidden, region.to_crop(box.reshape(2, 2)).ravel())
        self._state.blind = 0 if seen else self._state.blind + 1
        if self._state.blind and self._state.blind % BLIND_PERIOD == 0:
            # It may be hidden, or what hides it was left alone in the picture.
            found = self._find_anywhere(frame)
            self._state.elsewhere = len(found) > 0 and not self._tracker.update(found)
        self._state.unseen = 0 if seen or covered >= HIDDEN_SHARE else self._state.unseen + 1
        self._state.sightings.append(
            Sighting(
                frame.index,
                time,
                region,
                points,
                box,
                source if seen else "carried",
                covered,
                np.packbits(hidden) if hidden.any() else None,
            )
        )

    def _find_faces(self, frame: Frame) -> Detections:
        """Look in the whole frame, or around the face that was seen before."""
        if isinstance(self.faces, GivenBoxes):
            self.faces.seek(frame.index)
            return self.faces.detect(frame.image)
        if self._tracker.box is None:
            return self.faces.detect(frame.image)
        if isinstance(self.faces, MediapipeFaces):
            # The landmarks of the region tell where the face is.
            return Detections.none()
        x, y, side = self._tracker.square
        height, width = frame.image.shape[:2]
        reach = WINDOW_SCALE * side / 2
        x0, y0 = max(int(x - reach), 0), max(int(y - reach), 0)
        x1, y1 = min(int(x + reach) + 1, width), min(int(y + reach) + 1, height)
        if x1 <= x0 or y1 <= y0:
            return Detections.none()
        found = self.faces.detect(frame.image[y0:y1, x0:x1])
        return Detections(found.boxes + np.array([x0, y0, x0, y0]), found.scores)

    def _find_anywhere(self, frame: Frame) -> Detections:
        if isinstance(self.faces, GivenBoxes):
            return Detections.none()
        return self.faces.detect(frame.image)

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
        height, width = frame.image.shape[:2]
        zoom = min(1.0, LEAD_SIZE / max(height, width))
        size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
        image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        if mask is not None:
            mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        lead.append(_Lead(frame.index, time, image, mask, (height, width)))
        if len(lead) > LEAD_FRAMES:
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
            zoom = np.array(lead.image.shape[:2]) / lead.frame_size
            # Pixel centres: x' = z·(x + ½) − ½.
            small = region.matrix.copy()
            small[:, :2] /= zoom[::-1]
            small[:, 2] -= small[:, :2] @ ((zoom[::-1] - 1) / 2)
            shown = CropTransform(small, REGION_SIZE, lead.image.shape[:2])
            hidden = self._hidden(shown.apply(lead.image), shown, lead.mask)
            covered = _share(hidden, region.to_crop(box.reshape(2, 2)).ravel())
            if covered < HIDDEN_SHARE:
                break
            self._state.lead.pop()
            packed = np.packbits(hidden)
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
        scene = Scene(state.sightings[:at], state.skipped)
        state.sightings, state.skipped = state.sightings[at:], []
        return scene

    def _end(self) -> Iterator[Scene]:
        """Close the scene; frames at its end in which the face was neither seen nor hidden go."""
        state = self._state
        stop = len(state.sightings) - state.unseen
        gone = [(one.index, one.time) for one in state.sightings[stop:]]
        gone += [(one.index, one.time) for one in state.lead]
        skipped = state.skipped + [Skipped(index, time, NO_FACE) for index, time in gone]
        scene = Scene(state.sightings[:stop], skipped)
        self._restart()
        if scene.sightings or scene.skipped:
            yield scene

    def _restart(self) -> None:
        self._state = _State()
        self._tracker.reset()
        for tool in (self.landmarker, self.faces):
            if tool is not None and hasattr(tool, "close"):
                tool.close()


def sampled(
    frames: Iterable[FrameAndMask], unit: Fraction, fps: Fraction | None
) -> Iterator[FrameAndMask]:
    """Choose frames by their presentation time, at a rate; the first at or after each tick.

    A recording that is slower than the rate keeps every frame.

    Args:
        frames: frames in order.
        unit: seconds per unit of the frames' time.
        fps: frames per second; ``None`` keeps every frame.
    """
    start: int | None = None
    last = -1
    for frame, mask in frames:
        start = frame.pts if start is None else start
        tick = -1 if fps is None else int((frame.pts - start) * unit * fps)
        if fps is None or tick > last:
            last = tick
            yield frame, mask


def is_cut(before: FloatArray, after: FloatArray) -> bool:
    """Tell whether two thumbnails ``[h, w, 3]`` show different scenes."""
    if np.abs(after - before).mean() <= CUT_DIFFERENCE:
        return False
    a, b = before.mean(axis=2).ravel(), after.mean(axis=2).ravel()
    a, b = a - a.mean(), b - b.mean()
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return bool(norm == 0 or a @ b / norm < CUT_CORRELATION)


def _thumbnail(image: UInt8Array) -> FloatArray:
    """Return the frame at 32 × 32 pixels."""
    height, width = image.shape[:2]
    # Nearly the mean of each cell, at a cost that does not grow with the frame.
    step = max(1, min(height, width) // 128)
    small = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(small, (32, 32), interpolation=cv2.INTER_AREA), np.float64)


def _damaged(lost: deque[int]) -> list[Skipped]:
    skipped = [Skipped(index, None, DAMAGED) for index in lost]
    lost.clear()
    return skipped


def _share(mask: UInt8Array, box: FloatArray) -> float:
    """Return how much of a box (pixels of the mask) is hidden."""
    x0, y0 = np.clip(np.round(box[:2]).astype(int), 0, mask.shape[0])
    x1, y1 = np.clip(np.round(box[2:]).astype(int) + 1, 0, mask.shape[0])
    inside = mask[y0:y1, x0:x1]
    return float(inside.mean()) if inside.size else 0.0
