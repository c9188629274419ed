"""Facial landmarks by MediaPipe's Face Landmarker (paper 3.2 takes the symmetry line from it).

MediaPipe is optional (``pip install 'diffmvr[landmarks]'``), needs its model bundle
``face_landmarker.task`` (none is in its wheel) and the system libraries libEGL, libGLES and
libGL.  Where any of these is missing, :class:`LandmarkerUnavailableError` says so and the caller
falls back to the face box (decisions 10).
"""

import os
import weakref
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.checks import check_number, check_shape
from diffmvr.landmarker_bundle import BUNDLE_NAME
from diffmvr.preprocessing.mediapipe_runtime import create_landmarker, silent_stderr, to_mediapipe
from diffmvr.preprocessing.visible import GREY
from diffmvr.preprocessing.which_face import nearest_box
from diffmvr.published_weights import COMMAND
from diffmvr.structures import FloatArray, UInt8Array

View = tuple[int, int, int, int]
"""A region of a frame: x0, y0 (included), x1, y1 (excluded)."""

LANDMARKS = 478
BLENDSHAPES = 52

MIDLINE_INDICES = (
    *(10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 164, 0),
    *(11, 12, 13, 14, 15, 16, 17, 18, 200, 199, 175, 152),
)
"""Landmarks on the facial midline, from forehead to chin: the vertices of MediaPipe's
``canonical_face_model.obj`` with x = 0."""

EYE_INDICES = ((33, 133), (362, 263))
"""The corners of the eye on the left of an upright picture, then of the one on its right
(MediaPipe's ``FACEMESH_RIGHT_EYE`` and ``FACEMESH_LEFT_EYE``: the subject's right and left)."""

RIGID_INDICES = (
    *(4, 6, 10, 33, 54, 67, 117, 119, 121, 127, 129, 132, 133, 136, 143, 147, 198, 205, 263),
    *(284, 297, 346, 348, 350, 356, 358, 361, 362, 365, 372, 376, 420, 425),
)
"""Landmarks that expression moves least: the ``procrustes_landmark_basis`` of MediaPipe's
``geometry_pipeline_metadata_landmarks.pbtxt``."""

VIEW_SCALE = 2.5
"""Side of the region searched around the last face, in face sizes."""

TILE_SCALES = (1.0, 0.6, 0.35)
"""Sides of the half-overlapping square tiles searched for a small face, as shares of the frame's
shorter side; the detector wants a face of roughly a tenth of its view or more."""

MOST_FACES = 8
"""So many faces of one picture are told apart at most."""

TILE_PERIOD = 15
"""A tile search finds what the whole frame hides but is slow: once in so many frames."""


_SEVERAL = "SEVERAL"


@dataclass(frozen=True)
class FoundFace:
    """What the landmarker says of one face.

    Attributes:
        points: ``[478, 2]`` (x, y) in pixels, hidden ones guessed by the model.
        blendshapes: ``[52]`` in [0, 1]: how far each expression of MediaPipe's (the jaw open, an
            eye closed) is shown, in its order; ``None`` if they were not asked for.
    """

    points: FloatArray
    blendshapes: FloatArray | None = None


class FaceLandmarker:
    """Follow the landmarks of one face through the frames of a video.

    Each frame is searched near the last face first, then as a whole, then (now and then) in
    enlarged tiles, because a small face in a large frame is missed otherwise.

    MediaPipe is loaded at the first frame, in the process that calls: its threads do not survive
    a fork, so an instance that was used must not be forked.  Pickling keeps the settings only.

    Args:
        bundle: path of ``face_landmarker.task``.
        confidence: least confidence of detection, presence and tracking, in [0, 1].  Lower than
            MediaPipe's own 0.5, so that a half-hidden face is still found; implausible
            answers are the caller's to reject.
        blendshapes: whether :meth:`find` also reads the expression, which takes longer.
        video: whether the frames are of one video; ``False``: they are pictures of different
            moments, and each is searched by itself.
        at: ``[2]`` (x, y) in pixels, where the face is that is meant among several until it is
            found; ``None``: whichever MediaPipe takes.

    Raises:
        FileNotFoundError: if there is no such bundle.
        ValueError: if ``confidence`` is not in [0, 1].
    """

    def __init__(
        self,
        bundle: Path,
        confidence: float = 0.3,
        *,
        blendshapes: bool = False,
        video: bool = True,
        at: FloatArray | None = None,
    ) -> None:
        if not Path(bundle).is_file():
            raise FileNotFoundError(
                f"bundle: no Face Landmarker bundle at {bundle}; give the path of {BUNDLE_NAME} "
                f"(`{COMMAND} where face_landmarker` tells how it comes here)"
            )
        check_number("confidence", confidence, 0.0, 1.0)
        self.bundle = Path(bundle)
        self.confidence = confidence
        self.blendshapes = blendshapes
        self.video = video
        self.at = at
        # One MediaPipe task for each running mode in use.  They are closed when this object goes,
        # at the latest at exit: left to the interpreter's own shutdown they end in a traceback.
        self._handles: dict[str, Any] = {}
        self._process: int | None = None
        weakref.finalize(self, _close_all, self._handles)
        self._size: tuple[int, int] | None = None
        self._view: View | None = None
        # Centre and size of the face when the view was chosen.
        self._face: tuple[FloatArray, float] | None = None
        self._time_ms = 0
        self._frames_to_tiles = 0

    def require(self) -> None:
        """Load MediaPipe and the bundle, and free them again.

        Raises:
            LandmarkerUnavailableError: if MediaPipe or a library it needs is missing.
            ValueError: if the bundle is not one.
        """
        with silent_stderr():
            self._create("IMAGE").close()

    def detect(self, image: UInt8Array, mask: UInt8Array | None = None) -> FloatArray | None:
        """Return the landmarks of the next frame, ``[478, 2]``, as :meth:`find` finds them."""
        face = self.find(image, mask)
        return None if face is None else face.points

    def find(self, image: UInt8Array, mask: UInt8Array | None = None) -> FoundFace | None:
        """Find the face in the next frame.

        Args:
            image: ``[H, W, 3]`` uint8 RGB.
            mask: ``[H, W]`` 0/1, 1 = hidden, or ``None``.  Hidden pixels are shown to the
                landmarker as grey: a hand has edges that pull landmarks, grey has fewer.

        Returns:
            The face, its landmarks in pixels of ``image``, or ``None`` where there is none.

        Raises:
            LandmarkerUnavailableError: if MediaPipe or a library it needs is missing.
            ValueError: if the bundle is not one, or image and mask do not fit.
            RuntimeError: if the instance was used before this process was forked.
        """
        check_shape("image", image, (None, None, 3))
        height, width = image.shape[:2]
        if mask is not None:
            check_shape("mask", mask, (height, width))
            image = np.where(mask[..., None] != 0, np.uint8(GREY), image)
        if self._handles and self._process != os.getpid():
            raise RuntimeError(
                f"FaceLandmarker was used in process {self._process} before this one was forked "
                "from it, which MediaPipe does not survive; create one in each process"
            )
        if self._size != (height, width):
            self.close()
            self._size = (height, width)
        face = None
        if self._view is not None:
            # Video mode follows the landmarks it found in the frame before.
            face = self._find_in(image, self._view, "VIDEO")
        if face is None:
            face = self._search(image)
        if face is not None and self.video:
            self._follow(face.points, height, width)
        return face

    def find_several(self, image: UInt8Array) -> list[FoundFace]:
        """Return all faces of a picture, small ones too; it is no frame of the video.

        Args:
            image: ``[H, W, 3]`` uint8 RGB.
        """
        check_shape("image", image, (None, None, 3))
        height, width = image.shape[:2]
        found: list[FoundFace] = []
        for view in [(0, 0, width, height), *_tiles(height, width)]:
            for face in self._all_in(image, view, _SEVERAL):
                # Tiles overlap, and the edge of one may cut a face.
                if not any(_same(_corners(face), _corners(one)) for one in found):
                    found.append(face)
        return found

    def close(self) -> None:
        """Free what MediaPipe holds; a later :meth:`detect` starts afresh, as in a new video."""
        _close_all(self._handles)
        self._size = None
        self._view = None
        self._face = None
        self._time_ms = 0
        self._frames_to_tiles = 0

    def __getstate__(self) -> dict[str, Any]:
        return {
            "bundle": self.bundle,
            "confidence": self.confidence,
            "blendshapes": self.blendshapes,
            "video": self.video,
            "at": self.at,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        FaceLandmarker.__init__(self, **state)

    def _search(self, image: UInt8Array) -> FoundFace | None:
        """Look in the whole frame, then in tiles if it is their turn."""
        height, width = image.shape[:2]
        if self.at is not None:
            return self._nearest(image, self.at)
        views = [(0, 0, width, height)]
        if self._frames_to_tiles == 0 or not self.video:
            views += _tiles(height, width)
        self._frames_to_tiles = (self._frames_to_tiles or TILE_PERIOD) - 1
        for view in views:
            face = self._find_in(image, view, "IMAGE")
            if face is not None:
                return face
        return None

    def _nearest(self, image: UInt8Array, at: FloatArray) -> FoundFace | None:
        """Look in the whole frame, then, for a small face, around the point."""
        height, width = image.shape[:2]
        for scale in (None, *TILE_SCALES[1:]):
            view = (0, 0, width, height)
            if scale is not None:
                reach = scale * min(height, width) / 2
                x0, y0 = np.maximum(np.floor(at - reach), 0).astype(int)
                x1, y1 = np.minimum(np.ceil(at + reach), [width, height]).astype(int)
                view = (int(x0), int(y0), int(x1), int(y1))
            found = self._all_in(image, view, _SEVERAL)
            boxes = np.array([_corners(one) for one in found]).reshape(-1, 4)
            nearest = nearest_box(boxes, at)
            if nearest is not None:
                return found[nearest]
        return None

    def _follow(self, points: FloatArray, height: int, width: int) -> None:
        """Keep the view on the face; it moves in steps, since a moved view restarts tracking."""
        low, high = points.min(axis=0), points.max(axis=0)
        centre, size = (low + high) / 2, float((high - low).max())
        if self._face is not None:
            old_centre, old_size = self._face
            near = np.abs(centre - old_centre).max() < 0.25 * old_size
            if near and 0.75 < size / old_size < 1.33:
                return
        self._face = (centre, size)
        reach = VIEW_SCALE * size / 2
        x0, y0 = np.maximum(np.floor(centre - reach), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(centre + reach), [width, height]).astype(int)
        view = (int(x0), int(y0), int(x1), int(y1))
        if view != self._view:
            self._view = view
            tracker = self._handles.pop("VIDEO", None)
            if tracker is not None:
                tracker.close()

    def _find_in(self, image: UInt8Array, view: View, mode: str) -> FoundFace | None:
        """Return the face found in one view, in pixels of the whole image."""
        found = self._all_in(image, view, mode)
        return found[0] if found else None

    def _all_in(self, image: UInt8Array, view: View, mode: str) -> list[FoundFace]:
        x0, y0, x1, y1 = view
        fresh = mode not in self._handles
        with silent_stderr() if fresh else nullcontext():
            if fresh:
                self._handles[mode] = self._create(mode)
            frame = to_mediapipe(image[y0:y1, x0:x1])
            if mode == "VIDEO":
                # Time must increase; its unit only tunes MediaPipe's smoothing, at 30 frames/s.
                self._time_ms += 33
                result = self._handles[mode].detect_for_video(frame, self._time_ms)
            else:
                result = self._handles[mode].detect(frame)
        found = []
        for place, marks in enumerate(result.face_landmarks):
            shares = np.array([(mark.x, mark.y) for mark in marks])
            # Shares run from edge to edge of the view; our integers are pixel centres.
            points = shares * [x1 - x0, y1 - y0] + [x0 - 0.5, y0 - 0.5]
            shapes = None
            if self.blendshapes:
                shapes = np.array([one.score for one in result.face_blendshapes[place]])
            found.append(FoundFace(points, shapes))
        return found

    def _create(self, mode: str) -> Any:
        self._process = os.getpid()
        several = mode == _SEVERAL
        return create_landmarker(
            *(self.bundle, "IMAGE" if several else mode, self.confidence, self.blendshapes),
            faces=MOST_FACES if several else 1,
        )


def _corners(face: FoundFace) -> FloatArray:
    return np.concatenate([face.points.min(axis=0), face.points.max(axis=0)])


def _same(one: FloatArray, other: FloatArray) -> bool:
    """Return whether the middle of one box lies in the other, or the other way round."""
    pairs = ((one, (other[:2] + other[2:]) / 2), (other, (one[:2] + one[2:]) / 2))
    return any((box[:2] < at).all() and (at < box[2:]).all() for box, at in pairs)


def _tiles(height: int, width: int) -> list[View]:
    """Return half-overlapping squares (x0, y0, x1, y1) over the frame, the largest first."""
    tiles = []
    for scale in TILE_SCALES:
        side = max(1, round(scale * min(height, width)))
        rows = np.linspace(0, height - side, 1 + int(np.ceil(2 * (height - side) / side)))
        columns = np.linspace(0, width - side, 1 + int(np.ceil(2 * (width - side) / side)))
        tiles += [(int(x), int(y), int(x) + side, int(y) + side) for y in rows for x in columns]
    return [tile for tile in tiles if tile != (0, 0, width, height)]


def _close_all(handles: dict[str, Any]) -> None:
    while handles:
        handles.popitem()[1].close()
