"""Scores a restored real face by what MediaPipe sees: where its landmarks lie and what it says."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from diffmvr.landmarker_bundle import BUNDLE_VARIABLE, find_landmarker_bundle
from diffmvr.metrics.blendshape_error import (
    BlendshapeDistances,
    blendshape_distances,
    blendshape_error,
)
from diffmvr.metrics.landmark_error import landmark_error
from diffmvr.preprocessing.landmarks import (
    BLENDSHAPES,
    EYE_INDICES,
    LANDMARKS,
    FaceLandmarker,
    FoundFace,
)
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.structures import CLEAR_THRESHOLD, Clip, FloatArray, UInt8Array

log = logging.getLogger(__name__)

NAMES = (
    "landmark_error_hole",
    "landmark_found",
    "landmark_frames",
    "landmark_frames_unknown",
    "blendshape_error",
    "blendshape_error_changed",
    "blendshape_found",
    "blendshape_found_changed",
    "blendshape_frames",
    "blendshape_frames_unknown",
)
FRAME_NAMES = ("blendshape_error", "blendshape_change")


class FaceFinder(Protocol):
    """Follows one face with its expression (``FaceLandmarker(…, blendshapes=True)``)."""

    def find(self, image: UInt8Array) -> FoundFace | None:
        """Return the face in the next frame, or ``None`` where there is none."""
        ...

    def close(self) -> None:
        """Start afresh: the next frame is another video's."""
        ...


@dataclass(frozen=True)
class _Faces:
    """The face of every frame: ``[T, 478, 2]`` and ``[T, 52]``, NaN where none was found."""

    points: FloatArray
    blendshapes: FloatArray


class RealFaceScorer:
    """Follows the face through the restored and through the clean clip and compares.

    Both are followed in the same way from their first frame on, so that a perfect restoration has
    an error of 0.  Where MediaPipe or its model is missing every score is NaN and the log says
    why, once.

    Args:
        finder: finds the face; its state belongs to this scorer alone.  ``None``: nothing can
            be scored.
        clear_threshold: largest occluded share of the face box of a clear frame (decisions 11).
    """

    def __init__(self, finder: FaceFinder | None, clear_threshold: float = CLEAR_THRESHOLD) -> None:
        self._finder = finder
        self.clear_threshold = clear_threshold
        # One clip is scored for many restorers in a row, and one restoration by clip and by frame.
        self._clean: tuple[Clip, _Faces] | None = None
        self._restored: tuple[UInt8Array, _Faces] | None = None

    @classmethod
    def from_bundle(
        cls,
        bundle: str | None = None,
        clear_threshold: float = CLEAR_THRESHOLD,
        *,
        video: bool = True,
    ) -> "RealFaceScorer":
        """Take MediaPipe's Face Landmarker.

        Args:
            bundle: path of ``face_landmarker.task``; ``None`` takes the one that the environment
                names (:func:`find_landmarker_bundle`).
            clear_threshold: see the class.
            video: whether a clip is one video; ``False``: its frames are pictures of different
                moments, and each is searched by itself (MediaPipe smooths over a video).

        Raises:
            FileNotFoundError: if a named file does not exist.
        """
        path: Path | None = find_landmarker_bundle(bundle)
        finder = None
        if path is None:
            log.warning(
                "landmarks are not scored: no Face Landmarker bundle; name its file in %s",
                BUNDLE_VARIABLE,
            )
        else:
            finder = FaceLandmarker(path, blendshapes=True, video=video)
        return cls(finder, clear_threshold)

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Score a restored clip; see :func:`landmark_error` and :func:`blendshape_error`.

        Args:
            restored: ``[T, H, W, 3]`` uint8.
            clip: the clip, its ground truth known.

        Raises:
            ValueError: if the ground truth is unknown or the shapes differ.
        """
        faces = self._faces(restored, clip)
        if faces is None:
            return dict.fromkeys(NAMES, math.nan)
        found, clean = faces
        share = occluded_share(clip.mask, clip.track.face_box)
        expression = self._distances(found, clean, share)
        return {
            **landmark_error(found.points, clean.points, clip.mask, EYE_INDICES),
            **blendshape_error(expression, share > self.clear_threshold),
        }

    def frame_scores(self, restored: UInt8Array, clip: Clip) -> dict[str, FloatArray]:
        """Score every frame of a restored clip.

        Args:
            restored: ``[T, H, W, 3]`` uint8.
            clip: the clip, its ground truth known.

        Returns:
            ``[T]`` each: ``blendshape_error``, how far the restored expression is from the clean
            one, and ``blendshape_change``, how far the clean one is from that of the newest clear
            frame.  NaN where a face was not found.

        Raises:
            ValueError: if the ground truth is unknown or the shapes differ.
        """
        faces = self._faces(restored, clip)
        if faces is None:
            return {name: np.full(len(clip), np.nan) for name in FRAME_NAMES}
        share = occluded_share(clip.mask, clip.track.face_box)
        expression = self._distances(*faces, share)
        return {"blendshape_error": expression.error, "blendshape_change": expression.change}

    def _distances(self, found: _Faces, clean: _Faces, share: FloatArray) -> BlendshapeDistances:
        reference = past_clear_index(share, self.clear_threshold)
        return blendshape_distances(found.blendshapes, clean.blendshapes, reference)

    def _faces(self, restored: UInt8Array, clip: Clip) -> tuple[_Faces, _Faces] | None:
        """Return the restored and the clean faces, or ``None`` if nothing can be scored."""
        if clip.frames is None:
            raise ValueError(
                f"clip: {clip.clip_id!r} has no ground truth (frames is None), so nobody knows "
                "where the hidden landmarks are"
            )
        if self._finder is None:
            return None
        try:
            if self._clean is None or self._clean[0] is not clip:
                self._clean = (clip, self._follow(self._finder, clip.frames))
            if self._restored is None or self._restored[0] is not restored:
                self._restored = (restored, self._follow(self._finder, restored))
        except LandmarkerUnavailableError as error:
            log.warning("landmarks are not scored: %s", error)
            self._finder = None
            return None
        return self._restored[1], self._clean[1]

    def _follow(self, finder: FaceFinder, frames: UInt8Array) -> _Faces:
        points = np.full((len(frames), LANDMARKS, 2), np.nan)
        blendshapes = np.full((len(frames), BLENDSHAPES), np.nan)
        finder.close()
        for t, frame in enumerate(frames):
            face = finder.find(frame)
            if face is not None and face.blendshapes is not None:
                points[t], blendshapes[t] = face.points, face.blendshapes
        return _Faces(points, blendshapes)
