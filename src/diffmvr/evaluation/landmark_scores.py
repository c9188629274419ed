"""Scores a restored real face by where MediaPipe finds its landmarks."""

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from diffmvr.metrics.landmark_error import landmark_error
from diffmvr.preprocessing.landmarks import (
    BUNDLE_VARIABLE,
    EYE_INDICES,
    LANDMARKS,
    FaceLandmarker,
    LandmarkerUnavailableError,
    find_landmarker_bundle,
)
from diffmvr.structures import Clip, FloatArray, UInt8Array

log = logging.getLogger(__name__)

NAMES = (
    "landmark_error_hole",
    "landmark_found",
    "landmark_frames",
    "landmark_frames_unknown",
)


class Landmarker(Protocol):
    """Follows the landmarks of one face (``FaceLandmarker``)."""

    def detect(self, image: UInt8Array) -> FloatArray | None:
        """Return ``[478, 2]`` pixels in the next frame, or ``None`` where no face is found."""
        ...

    def close(self) -> None:
        """Start afresh: the next frame is another video's."""
        ...


class LandmarkScorer:
    """Follows the face through the restored and through the clean clip and compares.

    Both are followed in the same way from their first frame on, so that a perfect restoration has
    an error of 0.  Where MediaPipe or its model is missing every score is NaN and the log says
    why, once.

    Args:
        landmarker: finds the face; its state belongs to this scorer alone.  ``None``: nothing can
            be scored.
    """

    def __init__(self, landmarker: Landmarker | None) -> None:
        self._landmarker = landmarker
        self._clean: tuple[Clip, FloatArray] | None = None

    @classmethod
    def from_bundle(cls, bundle: str | None = None) -> "LandmarkScorer":
        """Take MediaPipe's Face Landmarker.

        Args:
            bundle: path of ``face_landmarker.task``; ``None`` takes the one that the environment
                names (:func:`find_landmarker_bundle`).

        Raises:
            FileNotFoundError: if a named file does not exist.
        """
        path: Path | None = find_landmarker_bundle(bundle)
        if path is None:
            log.warning(
                "landmarks are not scored: no Face Landmarker bundle; name its file in %s",
                BUNDLE_VARIABLE,
            )
            return cls(None)
        return cls(FaceLandmarker(path))

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Score a restored clip; see :func:`landmark_error`.

        Args:
            restored: ``[T, H, W, 3]`` uint8.
            clip: the clip, its ground truth known.

        Raises:
            ValueError: if the ground truth is unknown or the shapes differ.
        """
        if clip.frames is None:
            raise ValueError(
                f"clip: {clip.clip_id!r} has no ground truth (frames is None), so nobody knows "
                "where the hidden landmarks are"
            )
        if self._landmarker is None:
            return dict.fromkeys(NAMES, math.nan)
        try:
            # One clip is scored for many restorers in a row; its clean frames are searched once.
            if self._clean is None or self._clean[0] is not clip:
                self._clean = (clip, _follow(self._landmarker, clip.frames))
            found = _follow(self._landmarker, restored)
        except LandmarkerUnavailableError as error:
            log.warning("landmarks are not scored: %s", error)
            self._landmarker = None
            return dict.fromkeys(NAMES, math.nan)
        return landmark_error(found, self._clean[1], clip.mask, EYE_INDICES)


def _follow(landmarker: Landmarker, frames: Iterable[UInt8Array]) -> FloatArray:
    """Return ``[T, 478, 2]`` pixels, NaN in frames where no face is found."""
    nothing = np.full((LANDMARKS, 2), np.nan)
    landmarker.close()
    points = [landmarker.detect(frame) for frame in frames]
    return np.stack([nothing if found is None else found for found in points])
