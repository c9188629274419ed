"""Is a restored face still the same person's?  By dlib's face embedding.

The distance of two faces is that of their vectors of 128 numbers; dlib calls two pictures one
person's below 0.6.  The network (``dlib_face_recognition_resnet_model_v1``, CC0) comes with the
package ``face_recognition_models`` and runs in ``dlib``; it was trained on pictures of celebrities,
and is less sure of faces that are unlike theirs.

T frames, H × W pixels.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from diffmvr.checks import WeightsNotPresentError
from diffmvr.geometry import compose, invert
from diffmvr.metrics.ground_truth import true_frames
from diffmvr.metrics.published_networks import packaged_file
from diffmvr.structures import Clip, FloatArray, UInt8Array

RUNTIME, PACKAGE = "dlib", "face_recognition_models"
WEIGHTS = Path("models") / "dlib_face_recognition_resnet_model_v1.dat"
REMEDY = "pip install 'diffmvr[perception]'"

SIDE = 150
TO_CHIP = np.array([[52.55, 0.0, 74.03], [0.0, 52.55, 47.13]])
"""Canonical face → pixels of the square that the network sees: where ``dlib.get_face_chip`` puts
the eyes, with a margin of a quarter."""

Embedding = Callable[[UInt8Array], FloatArray]
"""A square ``[150, 150, 3]`` uint8 RGB → ``[128]``."""


def dlib_embedding(weights: str | Path | None = None) -> Embedding:
    """Return dlib's face embedding.

    Args:
        weights: path of ``dlib_face_recognition_resnet_model_v1.dat``; ``None``: the one that the
            installed package has.

    Raises:
        WeightsNotPresentError: if the file or dlib is absent; the message says how to get both.
    """
    path = Path(weights or packaged_file(PACKAGE, WEIGHTS))
    if not path.is_file() or find_spec(RUNTIME) is None:
        raise WeightsNotPresentError(
            f"weights not present: {path if not path.is_file() else RUNTIME}; the face embedding "
            f"needs dlib and its network: {REMEDY}"
        )
    import dlib

    network: Any = dlib.face_recognition_model_v1(str(path))

    def embedding(chip: UInt8Array) -> FloatArray:
        return np.array(network.compute_face_descriptor(np.ascontiguousarray(chip)))

    return embedding


class FaceEmbeddingScorer:
    """Scores clips: ``face_embedding_distance``, the mean over the frames that have a hole.

    Args:
        embedding: of a face; ``None``: :func:`dlib_embedding`.
        weights: see :func:`dlib_embedding`.

    Raises:
        WeightsNotPresentError: as :func:`dlib_embedding`.
    """

    def __init__(
        self, embedding: Embedding | None = None, weights: str | Path | None = None
    ) -> None:
        self._embedding = embedding or dlib_embedding(weights)
        # One clip is scored for many restorers in a row.
        self._clean: tuple[Clip, list[FloatArray]] | None = None

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Return the score of a restored clip ``[T, H, W, 3]``; NaN where nothing is hidden.

        Raises:
            ValueError: if the ground truth is unknown or the shapes differ.
        """
        frames = true_frames(clip, restored)
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        if self._clean is None or self._clean[0] is not clip:
            self._clean = (clip, self._embedded(frames, clip, hidden))
        pairs = zip(self._embedded(restored, clip, hidden), self._clean[1], strict=True)
        distances = [float(np.linalg.norm(a - b)) for a, b in pairs]
        return {"face_embedding_distance": float(np.mean(distances)) if distances else float("nan")}

    def _embedded(
        self, frames: UInt8Array, clip: Clip, chosen: np.ndarray[Any, Any]
    ) -> list[FloatArray]:
        return [self._embedding(face_chip(frames[t], clip.track.similarity[t])) for t in chosen]


def face_chip(image: UInt8Array, similarity: FloatArray) -> UInt8Array:
    """Return the face upright in a square, as dlib's network was trained to see it.

    Args:
        image: ``[H, W, 3]`` uint8.
        similarity: ``[2, 3]``, canonical face coordinates → pixels.

    Returns:
        ``[150, 150, 3]`` uint8, black beyond the image.
    """
    to_chip = compose(TO_CHIP, invert(similarity))
    chip = cv2.warpAffine(image, to_chip, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)
