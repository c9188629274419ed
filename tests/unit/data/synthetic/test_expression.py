"""States, blinks and the shape of the face under them."""

import numpy as np
import pytest

from diffmvr.data.synthetic.anatomy import build_anatomy
from diffmvr.data.synthetic.expression import EXPRESSION_NAMES, STATES, sample_expression
from diffmvr.data.synthetic.identity import sample_identity
from diffmvr.data.synthetic.rng import smooth_path, smoothstep

SIGNED = ("brow_lower", "gaze_x", "gaze_y", "mouth_width", "mouth_corner")


@pytest.fixture(scope="module")
def by_state() -> dict[str, np.ndarray]:
    rows: dict[str, list[np.ndarray]] = {state: [] for state in STATES}
    for seed in range(120):
        values, states = sample_expression(np.random.default_rng(seed), 16)
        for row, state in zip(values, states, strict=True):
            rows[state].append(row)
    return {state: np.array(found) for state, found in rows.items()}


def test_values_keep_their_documented_range(by_state):
    values = np.concatenate(list(by_state.values()))
    for index, name in enumerate(EXPRESSION_NAMES):
        low = -1 if name in SIGNED else 0
        assert values[:, index].min() >= low
        assert values[:, index].max() <= 1


def test_pain_closes_the_eyes_lowers_the_brows_and_opens_the_mouth(by_state):
    mean = {
        s: dict(zip(EXPRESSION_NAMES, v.mean(axis=0), strict=True)) for s, v in by_state.items()
    }
    pain, move = mean["pain"], mean["move"]
    assert pain["eye_open"] < 0.2 < 0.6 < move["eye_open"]
    assert pain["brow_lower"] > 0.5 > move["brow_lower"]
    assert pain["mouth_open"] > 0.4
    assert pain["furrow"] > 0.5 > move["furrow"]
    assert mean["rest"]["mouth_open"] < 0.15


def test_a_clip_changes_smoothly():
    for seed in range(40):
        values, _ = sample_expression(np.random.default_rng(seed), 32)
        # Blinks are the fastest; all else stays well below a full range in one frame.
        slow = [i for i, name in enumerate(EXPRESSION_NAMES) if name != "eye_open"]
        assert np.abs(np.diff(values[:, slow], axis=0)).max() < 0.9


def test_anatomy_follows_the_expression():
    identity = sample_identity(0, 0)
    expression = np.zeros((4, len(EXPRESSION_NAMES)), np.float32)
    index = {name: i for i, name in enumerate(EXPRESSION_NAMES)}
    expression[1, index["eye_open"]] = 1.0
    expression[2, index["mouth_open"]] = 1.0
    expression[3, index["brow_lower"]] = 1.0
    points = build_anatomy(identity, expression).points
    eye = points["eye_left_bottom"][:, 1] - points["eye_left_top"][:, 1]
    assert eye[0] == pytest.approx(0.0, abs=1e-9)
    assert eye[1] > 0.2
    mouth = points["lip_inner_bottom"][:, 1] - points["lip_inner_top"][:, 1]
    assert mouth[0] == pytest.approx(0.0, abs=1e-9)
    assert mouth[2] > 0.25
    assert points["brow_left_inner"][3, 1] > points["brow_left_inner"][0, 1] + 0.1
    assert abs(points["brow_left_inner"][3, 0]) < abs(points["brow_left_inner"][0, 0])


def test_smooth_paths_are_bounded_and_smooth():
    path = smooth_path(np.random.default_rng(0), 200, 8.0, 5)
    assert path.shape == (200, 5)
    assert np.abs(path).max() <= 1.0
    assert path.std() > 0.3
    assert np.abs(np.diff(path, axis=0)).max() < 0.4


def test_smoothstep_has_its_closed_form():
    x = np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 7.0])
    np.testing.assert_allclose(smoothstep(x), [0, 0, 0.15625, 0.5, 1, 1])
