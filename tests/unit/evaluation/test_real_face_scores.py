"""Following a face through two videos."""

import logging
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.clips import moving_clip

from diffmvr.evaluation.frame_scores import FrameScores
from diffmvr.evaluation.real_face_scores import FRAME_NAMES, NAMES, RealFaceScorer
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.preprocessing.landmarks import FaceLandmarker, FoundFace
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError

CLIP = moving_clip(frames=6, size=80, arrival=2)
SHARED = os.environ.get("DIFFMVR_SHARED")


class Brightest:
    """A face of 478 landmarks around the brightest pixel, none in a dark frame.

    Its first blendshape is that pixel's column, in hundredths, and its last that pixel's row.
    """

    def __init__(self) -> None:
        self.videos = 0

    def find(self, image: np.ndarray) -> FoundFace | None:
        light = image.sum(axis=2)
        if light.max() < 600:
            return None
        y, x = np.unravel_index(light.argmax(), light.shape)
        face = np.tile([float(x), float(y)], (478, 1))
        face[[33, 133]] -= [5, 0]
        face[[362, 263]] += [5, 0]
        blendshapes = np.zeros(52)
        blendshapes[[0, -1]] = x / 100, y / 100
        return FoundFace(face, blendshapes)

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
    scores = RealFaceScorer(Brightest())(restored, clip)
    # The eyes are 10 pixels apart.
    assert scores["landmark_error_hole"] == pytest.approx((0.3 + 0.5 + 0) / 3)
    assert scores["landmark_found"] == pytest.approx(3 / 4)
    assert scores["landmark_frames"] == 4 and scores["landmark_frames_unknown"] == 0
    assert tuple(scores) == NAMES


def test_the_truth_itself_has_no_error() -> None:
    clip = dotted_clip()
    scores = RealFaceScorer(Brightest())(clip.frames, clip)
    assert scores["landmark_error_hole"] == 0 and scores["landmark_found"] == 1


def test_every_video_is_begun_afresh_and_the_clean_one_followed_once() -> None:
    landmarker = Brightest()
    scorer = RealFaceScorer(landmarker)
    clip = dotted_clip()
    scorer(clip.observed.copy(), clip)
    scorer(clip.observed, clip)
    assert landmarker.videos == 3
    scorer.frame_scores(clip.observed, clip)
    assert landmarker.videos == 3, "one look serves the scores of the clip and of its frames"
    scorer(clip.observed.copy(), dotted_clip())
    assert landmarker.videos == 5


def test_a_clean_face_that_is_not_found_is_counted() -> None:
    clip = replace(dotted_clip(), frames=dots(*[(40, 40)] * 2, *[None] * 4))
    scores = RealFaceScorer(Brightest())(dots(*[(40, 40)] * 6), clip)
    for kind, error in (("landmark", "landmark_error_hole"), ("blendshape", "blendshape_error")):
        assert scores[f"{kind}_frames"] == 0 and scores[f"{kind}_frames_unknown"] == 4
        assert math.isnan(scores[error])


def test_what_the_face_says_is_compared_where_it_is_hidden() -> None:
    # Frames 0 and 1 are clear; the clean face of frame 5 says something else than that of frame 1.
    truth = dots(*[(40, 40)] * 3, (40, 41), (40, 42), (40, 45))
    clip = replace(dotted_clip(), frames=truth, observed=truth)
    restored = dots(*[(40, 40)] * 3, None, (41, 42), (40, 40))
    scorer = RealFaceScorer(Brightest())
    scores = scorer(restored, clip)
    assert scores["blendshape_error"] == pytest.approx((0 + 0.01 + 0.05) / 3 / 52)
    assert scores["blendshape_found"] == pytest.approx(3 / 4)
    assert scores["blendshape_frames"] == 4 and scores["blendshape_frames_unknown"] == 0
    # The changes of frames 2 to 5 are 0, 1, 2 and 5 hundredths: 4 and 5 are above the median.
    assert scores["blendshape_error_changed"] == pytest.approx((0.01 + 0.05) / 2 / 52)
    assert scores["blendshape_found_changed"] == 1

    frames = scorer.frame_scores(restored, clip)
    np.testing.assert_allclose(
        frames["blendshape_error"] * 52, [0, 0, 0, np.nan, 0.01, 0.05], atol=1e-12
    )
    np.testing.assert_allclose(
        frames["blendshape_change"] * 52, [np.nan, 0, 0, 0.01, 0.02, 0.05], atol=1e-12
    )


def test_frame_rows_tell_the_expression() -> None:
    clip = dotted_clip()
    scorer = RealFaceScorer(Brightest())
    scores = FrameScores("segmentation", 0, scorers=[score_clip, scorer])
    scores.add("someone", dots(None, None, (41, 40), None, (40, 40), (40, 40)), clip)
    rows = scores.frame()
    errors = rows["blendshape_error"].to_list()
    assert errors == [pytest.approx(0.01 / 52), None, 0, 0]
    assert rows["blendshape_change"].to_list() == [0, 0, 0, 0]


def test_without_a_bundle_nothing_is_scored_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("DIFFMVR_FACE_LANDMARKER", "DIFFMVR_SHARED"):
        monkeypatch.delenv(name, raising=False)
    with caplog.at_level(logging.WARNING):
        scorer = RealFaceScorer.from_bundle()
    assert "no Face Landmarker bundle; name its file in DIFFMVR_FACE_LANDMARKER" in caplog.text
    scores = scorer(CLIP.observed, CLIP)
    assert tuple(scores) == NAMES and all(map(math.isnan, scores.values()))
    frames = scorer.frame_scores(CLIP.observed, CLIP)
    assert tuple(frames) == FRAME_NAMES
    assert all(np.isnan(values).all() and len(values) == len(CLIP) for values in frames.values())


def test_without_mediapipe_nothing_is_scored_and_the_log_says_why_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Absent(Brightest):
        def find(self, image: np.ndarray) -> FoundFace | None:
            raise LandmarkerUnavailableError("cannot import mediapipe")

    scorer = RealFaceScorer(Absent())
    for _ in range(2):
        assert all(map(math.isnan, scorer(CLIP.observed, CLIP).values()))
    assert caplog.text.count("landmarks are not scored: cannot import mediapipe") == 1


def test_a_clip_without_truth_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"clip: 'moving-0' has no ground truth"):
        RealFaceScorer(None)(CLIP.observed, replace(CLIP, frames=None))
    with pytest.raises(FileNotFoundError, match=r"no Face Landmarker bundle at nowhere\.task"):
        RealFaceScorer.from_bundle("nowhere.task")


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
    track = replace(track, face_box=np.tile([0.0, 0, 511, 511], (4, 1)))
    clip = replace(clip, track=track)
    scorer = RealFaceScorer.from_bundle()
    perfect, bad = scorer(truth, clip), scorer(spoilt, clip)
    assert perfect["landmark_error_hole"] == perfect["blendshape_error"] == 0
    assert bad["landmark_error_hole"] > 0.02
    assert bad["blendshape_frames"] == 3 and 0.005 < bad["blendshape_error"] < 0.3
    names = FaceLandmarker(scorer._finder.bundle, blendshapes=True)
    face = names.find(truth[0])
    assert face is not None and face.blendshapes.shape == (52,)
    assert 0 <= face.blendshapes.min() <= face.blendshapes.max() <= 1

    # Of pictures each is searched by itself: what was seen before leaves no trace.
    pictures = RealFaceScorer.from_bundle(video=False)
    one = pictures.frame_scores(spoilt, clip)["blendshape_error"]
    last = replace(
        clip,
        observed=spoilt[2:],
        frames=truth[2:],
        mask=mask[2:],
        frame_index=numbers[2:],
        track=track[2:],
    )
    np.testing.assert_array_equal(
        pictures.frame_scores(spoilt[2:], last)["blendshape_error"], one[2:]
    )
