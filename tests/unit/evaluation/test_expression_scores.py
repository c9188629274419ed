"""What a restored face says, against what the clean one says."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.helpers.tiny import tiny_clip

from diffmvr.config import config_dir, register_resolvers, weights_dir
from diffmvr.data.sources import SyntheticClips
from diffmvr.data.synthetic import EXPRESSION_NAMES, render_clip
from diffmvr.evaluation.expression_scores import ExpressionScorer
from diffmvr.models.expression_network import ExpressionNetwork

NAMES, RANGES = ("smile", "brow"), ((0, 1), (-1, 1))
CLIP = SyntheticClips(subjects=1, clips_per_subject=1, num_frames=8)[0]


@pytest.fixture(scope="module")
def scorer() -> ExpressionScorer:
    torch.manual_seed(0)
    network = ExpressionNetwork(NAMES, RANGES, ("rest", "move", "pain"), face_size=16)
    with torch.no_grad():
        # Readings of a random network hardly differ from frame to frame.
        for head in (network.expression_head, network.state_head):
            head.weight.mul_(50)
    return ExpressionScorer(network)


def test_a_perfect_restoration_says_the_same(scorer: ExpressionScorer) -> None:
    scores = scorer(CLIP.frames.copy(), CLIP)
    scores.pop("state_agreement_changed")
    assert scores == {
        "expression_error": 0.0,
        "expression_error_smile": 0.0,
        "expression_error_brow": 0.0,
        "state_agreement": 1.0,
    }


def test_only_frames_with_a_hole_count(scorer: ExpressionScorer) -> None:
    hidden = np.flatnonzero(CLIP.mask.any(axis=(1, 2)))
    assert 0 < len(hidden) < len(CLIP)
    restored = CLIP.frames.copy()
    restored[hidden] = 255 - restored[hidden]
    scores = scorer(restored, CLIP)
    similarity = CLIP.track.similarity[hidden]
    own, own_states = scorer.read(restored[hidden], similarity)
    true, true_states = scorer.read(CLIP.frames[hidden], similarity)
    error = np.abs(own - true).mean(axis=0) / [1, 2]
    assert scores["expression_error_smile"] == pytest.approx(error[0])
    assert scores["expression_error_brow"] == pytest.approx(error[1])
    assert scores["expression_error"] == pytest.approx(error.mean()) and error.mean() > 0.01
    assert scores["state_agreement"] == np.mean(own_states == true_states)


def test_a_face_that_stays_as_it_was_is_wrong_where_the_state_changed() -> None:
    scorer = ExpressionScorer.from_folder(weights_dir() / "expression-tiny")
    for clip in map(SyntheticClips(subjects=40, clips_per_subject=1).__getitem__, range(40)):
        _, states = scorer.read(clip.frames, clip.track.similarity)
        clear = ~clip.mask.any(axis=(1, 2))
        changed = [
            t
            for t in np.flatnonzero(~clear)
            if clear[:t].any() and states[np.flatnonzero(clear[:t])[-1]] != states[t]
        ]
        if changed:
            break
    again = clip.frames.copy()
    for t in changed:
        again[t] = clip.frames[np.flatnonzero(clear[:t])[-1]]
    assert scorer(clip.frames, clip)["state_agreement_changed"] == 1.0
    assert scorer(again, clip)["state_agreement_changed"] < 0.5


def test_the_other_mask_type_is_still_a_rendered_clip(scorer: ExpressionScorer) -> None:
    scores = scorer(CLIP.observed, CLIP.with_mask(CLIP.box_mask))
    assert scores["expression_error"] > 0


def test_nothing_is_scored_without_a_hole_or_of_a_real_face(
    scorer: ExpressionScorer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clear = replace(CLIP, observed=CLIP.frames, mask=np.zeros_like(CLIP.mask))
    real = tiny_clip()
    for clip in (clear, real):
        scores = scorer(clip.observed, clip)
        assert list(scores) == list(scorer(CLIP.frames, CLIP))
        assert all(map(math.isnan, scores.values()))
    scorer(real.observed, real)
    said = [message for message in caplog.messages if "of rendered faces" in message]
    assert len(said) == 1 and "scoring=real scores what real faces say" in said[0]


def test_shapes_must_agree(scorer: ExpressionScorer) -> None:
    with pytest.raises(ValueError, match=r"restored and clip\.frames must have the same shape"):
        scorer(CLIP.frames[:-1], CLIP)


def test_a_folder_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no network that reads faces in {tmp_path}"):
        ExpressionScorer.from_folder(tmp_path)


def test_the_shipped_network_reads_people_it_has_never_seen() -> None:
    """The command's card says how well; here, that these weights are the ones it speaks of."""
    shipped = ExpressionScorer.from_folder(weights_dir() / "expression-tiny")
    clips = [render_clip(5, subject, 0, num_frames=6) for subject in range(10)]
    readings = [shipped.read(clip.frames, clip.track.similarity) for clip in clips]
    read = np.concatenate([expression for expression, _ in readings])
    drawn = np.concatenate([clip.expression for clip in clips])
    low, high = np.array(shipped.network.config.ranges).T
    assert shipped.network.expression_names == EXPRESSION_NAMES
    assert (np.abs(read - drawn) / (high - low)).mean() < 0.09
    said = [shipped.network.states[i] for _, states in readings for i in states]
    assert np.mean(np.array(said) == [state for clip in clips for state in clip.state]) > 0.85


def test_faces_are_scored_by_default_and_real_ones_by_landmarks_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DIFFMVR_FACE_LANDMARKER", "DIFFMVR_SHARED"):
        monkeypatch.delenv(name, raising=False)
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        settings = [
            compose("evaluate", [f"scoring={name}"]).scoring for name in ("default", "real")
        ]
    default, real = (instantiate(each.scorers, _convert_="all") for each in settings)
    assert set(default) < set(real) == {*default, "landmarks"}
    scores = default["expression"](CLIP.observed, CLIP)
    assert scores["expression_error"] > 0 and 0 <= scores["state_agreement"] <= 1
    assert math.isnan(real["landmarks"](CLIP.observed, CLIP)["landmark_error_hole"])
