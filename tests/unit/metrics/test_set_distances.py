"""Distances between sets, and resamples of them that are paired."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.helpers.tiny import tiny_clip
from torch import Tensor

from diffmvr.metrics.extractors import FeatureExtractor, FrameExtractor
from diffmvr.metrics.gaussians import frechet_distance, gaussian_moments
from diffmvr.metrics.resamples import resampled_subjects
from diffmvr.metrics.set_distances import SetDistance, SetDistances
from diffmvr.structures import Clip, UInt8Array, to_pixel_values

CLIPS = [tiny_clip(seed=seed, frames=5, arrival=2) for seed in range(6)]


def grid_means(frames: Tensor) -> Tensor:
    """Four features of a frame: the means of its quarters."""
    return torch.nn.functional.adaptive_avg_pool2d(frames.mean(dim=1), 2).flatten(1).double()


class Counting:
    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, frames: Tensor) -> Tensor:
        self.frames += len(frames)
        return grid_means(frames)


def quarters(function: object = grid_means) -> FrameExtractor:
    return FrameExtractor("quarters", 4, function, "ab" * 32, lambda f: f.mean(dim=0)[:2])


def whole() -> FeatureExtractor:
    return FeatureExtractor("whole", 2, lambda videos: videos.mean(dim=(1, 3, 4))[:, :2])


def darker(clip: Clip, by: int = 30) -> UInt8Array:
    restored = clip.frames.copy()
    hidden = clip.mask > 0
    restored[hidden] = np.maximum(restored[hidden].astype(int) - by, 0).astype(np.uint8)
    return restored


def collected(clips: list[Clip], replicates: int = 8) -> list[SetDistance]:
    distances = SetDistances({"q": quarters()}, {"w": whole()}, replicates)
    for clip in clips:
        distances.add("darker", darker(clip), clip)
        distances.add("truth", clip.frames.copy(), clip)
    return distances.compute()


def test_the_value_is_the_distance_of_all_frames_together() -> None:
    found = {(d.restorer, d.distance): d for d in collected(CLIPS)}
    assert set(found) == {
        (restorer, name)
        for restorer in ("darker", "truth")
        for name in ("fd_quarters", "fvd_quarters", "fvd_whole")
    }
    real = grid_means(torch.cat([to_pixel_values(clip.frames) for clip in CLIPS]))
    fake = grid_means(torch.cat([to_pixel_values(darker(clip)) for clip in CLIPS]))
    expected = float(frechet_distance(*gaussian_moments(real), *gaussian_moments(fake)))
    frames = found["darker", "fd_quarters"]
    assert frames.value == pytest.approx(expected, rel=1e-8) and expected > 1e-4
    assert (frames.n_samples, frames.n_subjects) == (30, 6)
    assert (frames.extractor, frames.weight_hash) == ("quarters", "ab" * 32)
    videos = found["darker", "fvd_whole"]
    assert (videos.n_samples, videos.weight_hash) == (6, "")
    for name in ("fd_quarters", "fvd_quarters", "fvd_whole"):
        assert found["truth", name].value == pytest.approx(0.0, abs=1e-12)


def test_a_replicate_is_the_distance_on_the_drawn_subjects() -> None:
    found = {(d.restorer, d.distance): d for d in collected(CLIPS)}["darker", "fd_quarters"]
    names = sorted(clip.subject_id for clip in CLIPS)
    drawn = dict(zip(names, resampled_subjects(3, names), strict=True))
    repeated = [clip for clip in CLIPS for _ in range(drawn[clip.subject_id])]
    assert len(repeated) == 6
    real = grid_means(torch.cat([to_pixel_values(clip.frames) for clip in repeated]))
    fake = grid_means(torch.cat([to_pixel_values(darker(clip)) for clip in repeated]))
    expected = float(frechet_distance(*gaussian_moments(real), *gaussian_moments(fake)))
    assert found.replicates[3] == pytest.approx(expected, rel=1e-8)
    assert len(found.replicates) == 8


def test_resamples_do_not_depend_on_the_order_of_the_clips_nor_on_the_rivals() -> None:
    first = {(d.restorer, d.distance): d for d in collected(CLIPS)}
    second = {(d.restorer, d.distance): d for d in collected(CLIPS[::-1])}
    for key, found in first.items():
        assert second[key].replicates == pytest.approx(found.replicates, rel=1e-9, abs=1e-12)
    alone = SetDistances({"q": quarters()}, replicates=8)
    for clip in CLIPS:
        alone.add("darker", darker(clip), clip)
    assert alone.compute()[0].replicates == first["darker", "fd_quarters"].replicates


def test_known_frames_are_seen_once() -> None:
    counting = Counting()
    distances = SetDistances({"q": quarters(counting)}, replicates=0)
    clip = CLIPS[0]
    hidden = int(clip.mask.any(axis=(1, 2)).sum())
    for restorer in ("a", "b"):
        distances.add(restorer, darker(clip), clip)
    assert counting.frames == len(clip) + 2 * hidden < 3 * len(clip)


def test_a_clip_alone_is_scored_by_its_frames() -> None:
    clip = CLIPS[0]
    distances = SetDistances({"q": quarters()}, {"w": whole()})
    scores = distances.add("darker", darker(clip), clip)
    real, fake = (grid_means(to_pixel_values(f)) for f in (clip.frames, darker(clip)))
    expected = float(frechet_distance(*gaussian_moments(real), *gaussian_moments(fake)))
    assert scores == {"fd_quarters_video": pytest.approx(expected, rel=1e-8)}


def test_one_clip_has_no_video_distance(caplog: pytest.LogCaptureFixture) -> None:
    found = {d.distance: d for d in collected(CLIPS[:1])}
    assert found["fvd_whole"].value is None and found["fvd_whole"].replicates == ()
    assert found["fd_quarters"].value is not None and found["fd_quarters"].replicates == ()
    assert "fvd_whole: one sample has no covariance" in caplog.text


def test_one_network_under_a_name() -> None:
    with pytest.raises(ValueError, match=r"fd_quarters is made by two of them"):
        SetDistances({"a": quarters(), "b": quarters()})
    with pytest.raises(ValueError, match=r"replicates: expected at least 0, got -1"):
        SetDistances(replicates=-1)


def test_bad_clips_are_refused() -> None:
    clip = CLIPS[0]
    distances = SetDistances({"q": quarters()})
    with pytest.raises(ValueError, match=r"restored and clip.frames .*\(4, 32, 32, 3\)"):
        distances.add("a", clip.frames[:4], clip)
    with pytest.raises(ValueError, match=r"restored and clip.frames .*\(5, 16, 32, 3\)"):
        distances.add("a", clip.frames[:, :16], clip)
    distances.add("a", clip.frames, clip)
    with pytest.raises(ValueError, match=rf"a has already restored clip '{clip.clip_id}'"):
        distances.add("a", clip.frames, clip)
    with pytest.raises(ValueError, match=r"is of .* and of 'someone'"):
        distances.add("b", clip.frames, replace(clip, subject_id="someone"))
    with pytest.raises(ValueError, match=r"has no ground truth"):
        distances.add("b", clip.observed, replace(clip, frames=None))


def test_clips_taken_in_apart_are_the_whole() -> None:
    parts = []
    for clips in (CLIPS[:2], CLIPS[2:]):
        distances = SetDistances({"q": quarters()}, {"w": whole()}, replicates=8)
        for clip in clips:
            distances.add("darker", darker(clip), clip)
            distances.add("truth", clip.frames.copy(), clip)
        parts.append(distances.collected())
    assert SetDistances.joined(parts).compute() == collected(CLIPS)
    with pytest.raises(ValueError, match=f"darker has already restored clip '{CLIPS[2].clip_id}'"):
        SetDistances.joined([*parts, parts[1]])
