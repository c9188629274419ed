"""The face embedding: the square that the network sees, and the distance over a clip."""

from importlib.util import find_spec

import numpy as np
import pytest
from tests.helpers.tiny import tiny_clip

from diffmvr.checks import WeightsNotPresentError
from diffmvr.metrics import face_embedding
from diffmvr.metrics.face_embedding import FaceEmbeddingScorer, dlib_embedding, face_chip
from diffmvr.structures import FloatArray, UInt8Array

TURNED = np.array([[20.0, -5.0, 60.0], [5.0, 20.0, 40.0]])
"""A face with the eyes around (60, 40), turned and about 20 pixels between them."""


def mean_colour(chip: UInt8Array) -> FloatArray:
    return chip.mean(axis=(0, 1))


def test_the_face_is_upright_in_the_square() -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    eyes = [TURNED @ (x, 0.0, 1.0) for x in (-0.5, 0.5)]
    for channel, (x, y) in enumerate(eyes):
        image[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2, channel] = 255
    chip = face_chip(image, TURNED).astype(float)
    grid = np.indices(chip.shape[:2])
    found = [[(g * chip[..., c]).sum() / chip[..., c].sum() for g in grid] for c in (0, 1)]
    # Where dlib.get_face_chip puts the middles of the eyes, (y, x).
    np.testing.assert_allclose(found, [[47.1, 47.7], [47.1, 100.3]], atol=2.0)


def test_only_hidden_frames_count() -> None:
    clip = tiny_clip(frames=3, arrival=1)
    scorer = FaceEmbeddingScorer(mean_colour)
    assert scorer(clip.frames, clip) == {"face_embedding_distance": 0.0}
    spoilt = clip.frames.copy()
    spoilt[0] = 0
    assert scorer(spoilt, clip) == {"face_embedding_distance": 0.0}
    spoilt[1:] = 0
    expected = np.mean(
        [
            np.linalg.norm(mean_colour(face_chip(clip.frames[t], clip.track.similarity[t])))
            for t in (1, 2)
        ]
    )
    assert scorer(spoilt, clip)["face_embedding_distance"] == pytest.approx(expected)
    clear = clip.with_mask(np.zeros_like(clip.mask))
    assert np.isnan(scorer(clip.frames, clear)["face_embedding_distance"])


def test_shapes_and_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tiny_clip(frames=3, arrival=1)
    with pytest.raises(ValueError, match=r"restored and clip.frames must have the same shape"):
        FaceEmbeddingScorer(mean_colour)(clip.frames[:2], clip)
    monkeypatch.setattr(face_embedding, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsNotPresentError, match=r"no_such_package.*diffmvr\[perception\]"):
        dlib_embedding()


@pytest.mark.skipif(
    find_spec("dlib") is None or find_spec("face_recognition_models") is None,
    reason="needs the extra perception",
)
def test_dlib_tells_a_face_from_noise() -> None:
    clip = tiny_clip(frames=3, arrival=1)
    embedding = dlib_embedding()
    first, later = (embedding(face_chip(clip.frames[t], clip.track.similarity[t])) for t in (0, 2))
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    assert first.shape == (128,)
    assert np.linalg.norm(first - later) < 0.5 * np.linalg.norm(first - embedding(noise))
