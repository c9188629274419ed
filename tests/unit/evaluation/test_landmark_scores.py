"""Following a face through two videos."""

import logging
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.clips import moving_clip
from tests.helpers.landmarks import FaceAt

from diffmvr.evaluation.landmark_scores import NAMES, LandmarkScorer
from diffmvr.preprocessing.landmarks import FaceLandmarker, LandmarkerUnavailableError

CLIP = moving_clip(frames=6, size=80, arrival=2)
SHARED = os.environ.get("DIFFMVR_SHARED")


class Brightest:
    """A face of 478 landmarks around the brightest pixel, none in a dark frame."""

    def __init__(self) -> None:
        self.videos = 0

    def detect(self, image: np.ndarray) -> np.ndarray | None:
        light = image.sum(axis=2)
        if light.max() < 600:
            return None
        y, x = np.unravel_index(light.argmax(), light.shape)
        face = np.tile([float(x), float(y)], (478, 1))
        face[[33, 133]] -= [5, 0]
        face[[362, 263]] += [5, 0]
        return face

    def close(self) -> None:
        self.videos += 1


def dots(*places: tuple[int, int] | None) -> np.ndarray:
    frames = np.zeros((len(places), 80, 80, 3), np.uint8)
    for frame, place in zip(frames, places, strict=True):
        if place is not None:
            frame[place[1], place[0]] = 255
    return frames


def dotted_clip():
    mask = np.zeros((6, 80, 80), np.uint8)
    mask[2:, 30:50, 30:50] = 1
    truth = dots(*[(40, 40)] * 6)
    return replace(CLIP, frames=truth, observed=truth, mask=mask)


def test_landmarks_are_found_in_both_videos_and_compared() -> None:
    clip = dotted_clip()
    restored = dots(None, (40, 40), (40, 43), (44, 43), None, (40, 40))
    scores = LandmarkScorer(Brightest())(restored, clip)
    # The eyes are 10 pixels apart.
    assert scores["landmark_error_hole"] == pytest.approx((0.3 + 0.5 + 0) / 3)
    assert scores["landmark_found"] == pytest.approx(3 / 4)
    assert scores["landmark_frames"] == 4 and scores["landmark_frames_unknown"] == 0
    assert tuple(scores) == NAMES


def test_the_truth_itself_has_no_error() -> None:
    clip = dotted_clip()
    scores = LandmarkScorer(Brightest())(clip.frames, clip)
    assert scores["landmark_error_hole"] == 0 and scores["landmark_found"] == 1


def test_every_video_is_begun_afresh_and_the_clean_one_followed_once() -> None:
    landmarker = Brightest()
    scorer = LandmarkScorer(landmarker)
    clip = dotted_clip()
    scorer(clip.observed, clip)
    scorer(clip.observed, clip)
    assert landmarker.videos == 3
    scorer(clip.observed, dotted_clip())
    assert landmarker.videos == 5


def test_a_clean_face_that_is_not_found_is_counted() -> None:
    scores = LandmarkScorer(FaceAt(set()))(CLIP.observed, CLIP)
    assert scores["landmark_frames"] == 0 and scores["landmark_frames_unknown"] == 4
    assert math.isnan(scores["landmark_error_hole"])


def test_without_a_bundle_nothing_is_scored_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("DIFFMVR_FACE_LANDMARKER", "DIFFMVR_SHARED"):
        monkeypatch.delenv(name, raising=False)
    with caplog.at_level(logging.WARNING):
        scorer = LandmarkScorer.from_bundle()
    assert "no Face Landmarker bundle; name its file in DIFFMVR_FACE_LANDMARKER" in caplog.text
    scores = scorer(CLIP.observed, CLIP)
    assert tuple(scores) == NAMES and all(map(math.isnan, scores.values()))


def test_without_mediapipe_nothing_is_scored_and_the_log_says_why_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Absent(Brightest):
        def detect(self, image: np.ndarray) -> np.ndarray | None:
            raise LandmarkerUnavailableError("cannot import mediapipe")

    scorer = LandmarkScorer(Absent())
    for _ in range(2):
        assert all(map(math.isnan, scorer(CLIP.observed, CLIP).values()))
    assert caplog.text.count("landmarks are not scored: cannot import mediapipe") == 1


def test_a_clip_without_truth_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"clip: 'moving-0' has no ground truth"):
        LandmarkScorer(None)(CLIP.observed, replace(CLIP, frames=None))
    with pytest.raises(FileNotFoundError, match=r"no Face Landmarker bundle at nowhere\.task"):
        LandmarkScorer.from_bundle("nowhere.task")


@pytest.mark.skipif(not SHARED, reason="real clips: set DIFFMVR_SHARED to their folder")
def test_a_real_face() -> None:
    pytest.importorskip("mediapipe", reason="pip install 'diffmvr[landmarks]'")
    from itertools import islice

    from diffmvr.preprocessing.video_io import open_frames

    frames = open_frames(Path(str(SHARED)) / "data" / "faces" / "d12.mp4")
    truth = np.stack([frame.image for frame in islice(frames, 4)])
    points = FaceLandmarker(Path(str(SHARED)) / "models" / "face_landmarker.task").detect(truth[0])
    mouth = points[13].astype(int)
    mask = np.zeros(truth.shape[:3], np.uint8)
    mask[1:, mouth[1] - 40 : mouth[1] + 40, mouth[0] - 40 : mouth[0] + 40] = 1
    spoilt = np.where(mask[..., None] == 1, np.uint8(128), truth)
    numbers = np.arange(4)
    track = CLIP.track[:4]
    clip = replace(CLIP, observed=spoilt, frames=truth, mask=mask, frame_index=numbers, track=track)
    scorer = LandmarkScorer.from_bundle()
    assert scorer(truth, clip)["landmark_error_hole"] == 0
    assert scorer(spoilt, clip)["landmark_error_hole"] > 0.02
