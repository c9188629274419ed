"""What the face does over time: the states rest, move and pain, and the muscles behind them."""

import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.rng import FloatArray, smooth_path, smoothstep

STATES = ("rest", "move", "pain")
_STATE_ODDS = (0.36, 0.40, 0.24)

EXPRESSION_NAMES = (
    "brow_lower",  # [-1, 1]: -1 raised, 1 lowered and drawn together
    "eye_open",  # [0, 1]: 0 closed
    "eye_squeeze",  # [0, 1]: lids pressed together
    "gaze_x",  # [-1, 1]: 1 to the image's right
    "gaze_y",  # [-1, 1]: 1 down
    "mouth_open",  # [0, 1]
    "mouth_width",  # [-1, 1]: -1 puckered, 1 stretched
    "mouth_corner",  # [-1, 1]: -1 drawn down, 1 up
    "cheek_raise",  # [0, 1]
    "furrow",  # [0, 1]: depth of the fold from nose to mouth corner
)
_LOW = np.array([-1, 0, 0, -1, -1, 0, -1, -1, 0, 0], dtype=np.float64)
_HIGH = np.ones(len(EXPRESSION_NAMES))
_INDEX = {name: i for i, name in enumerate(EXPRESSION_NAMES)}


def sample_expression(
    rng: np.random.Generator, frames: int, acts: int = 1
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Draw a smooth course of expressions.

    A clip of one act starts in one state and in two of five clips passes smoothly into another.  In
    a clip of several the state changes once in each act, sometimes back to one that was there
    before.  Eyes blink, except in pain and in sleep.

    Args:
        rng: the clip's expression stream.
        frames: number of frames T.
        acts: number of acts, see ``render_clip``.

    Returns:
        ``[T, E]`` in the order and ranges of ``EXPRESSION_NAMES``, and the state of each frame.
    """
    weight = _one_change(rng, frames) if acts == 1 else _changes(rng, frames, acts)
    courses = (_rest(rng, frames), _move(rng, frames), _pain(rng, frames))
    values = sum(weight[:, i, None] * course for i, course in enumerate(courses))
    values = np.asarray(values)
    blink = _blinks(rng, frames)
    values[:, _INDEX["eye_open"]] *= 1.0 - blink
    values = np.clip(values, _LOW, _HIGH)
    states = tuple(STATES[i] for i in weight.argmax(axis=1))
    return values.astype(np.float32), states


def _one_change(rng: np.random.Generator, frames: int) -> FloatArray:
    """Return ``[T, S]`` shares of the states, of which the first may pass into a second."""
    first, second = (int(i) for i in rng.choice(len(STATES), 2, replace=False, p=_STATE_ODDS))
    changes = rng.uniform() < 0.4
    middle = rng.uniform(0.3, 0.7) * frames
    duration = rng.uniform(2.0, 5.0)
    time = np.arange(frames, dtype=np.float64)
    share = smoothstep((time - middle) / duration + 0.5) if changes else np.zeros(frames)
    weight = np.zeros((frames, len(STATES)))
    weight[:, second] += share
    weight[:, first] += 1.0 - share
    return weight


def _changes(rng: np.random.Generator, frames: int, acts: int) -> FloatArray:
    """Return ``[T, S]`` shares of the states, which change once in each act.

    In the first half of the acts a state follows that was not there yet, in three of four acts
    while the face is clear (the end of the act).  In the others the state changes while something
    covers the face (the middle of the act), mostly back to one that was seen clear before.
    """
    odds = np.array(_STATE_ODDS)
    state = int(rng.choice(len(STATES), p=odds))
    shown = np.arange(len(STATES)) == state
    time = np.arange(frames, dtype=np.float64)
    weight = np.zeros((frames, len(STATES)))
    weight[:, state] = 1.0
    for act in range(acts):
        early = 2 * act < acts
        other = np.where(np.arange(len(STATES)) == state, 0.0, odds)
        new = np.where(shown, 0.0, odds)
        chances = new if early and new.any() else other
        state = int(rng.choice(len(STATES), p=chances / chances.sum()))
        shown[state] = True
        clear = rng.uniform() < 0.75 and early
        part = rng.uniform(0.85, 0.95) if clear else rng.uniform(0.4, 0.65)
        middle, duration = (act + part) * frames / acts, rng.uniform(2.0, 5.0)
        share = smoothstep((time - middle) / duration + 0.5)
        weight *= 1.0 - share[:, None]
        weight[:, state] += share
    return weight


def _course(frames: int, **columns: FloatArray | float) -> FloatArray:
    values = np.zeros((frames, len(EXPRESSION_NAMES)))
    for name, column in columns.items():
        values[:, _INDEX[name]] = column
    return values


def _rest(rng: np.random.Generator, frames: int) -> FloatArray:
    noise = smooth_path(rng, frames, 7.0, 6)
    asleep = rng.uniform() < 0.2
    lips = rng.uniform(-0.3, 0.3)
    openness = rng.uniform(0.75, 1.0)
    return _course(
        frames,
        brow_lower=rng.uniform(-0.2, 0.2) + 0.12 * noise[:, 0],
        eye_open=np.zeros(frames) if asleep else openness + 0.12 * noise[:, 1],
        gaze_x=0.5 * noise[:, 2],
        gaze_y=0.3 * noise[:, 3],
        mouth_open=np.maximum(0.0, rng.uniform(-0.1, 0.12) + 0.05 * noise[:, 4]),
        mouth_width=lips + 0.08 * noise[:, 4],
        mouth_corner=rng.uniform(-0.15, 0.35) + 0.1 * noise[:, 5],
        cheek_raise=0.08 + 0.08 * noise[:, 5],
    )


def _move(rng: np.random.Generator, frames: int) -> FloatArray:
    slow = smooth_path(rng, frames, 5.0, 6)
    fast = smooth_path(rng, frames, 2.6, 2)
    smile = rng.uniform(-0.2, 1.0)
    return _course(
        frames,
        brow_lower=-0.25 + 0.55 * slow[:, 0],
        eye_open=0.92 + 0.2 * slow[:, 1],
        gaze_x=slow[:, 2],
        gaze_y=0.5 * slow[:, 3],
        mouth_open=np.maximum(0.0, rng.uniform(0.15, 0.45) + 0.42 * fast[:, 0]),
        mouth_width=0.25 * smile + 0.55 * fast[:, 1],
        mouth_corner=0.8 * smile + 0.25 * slow[:, 4],
        cheek_raise=0.15 + 0.5 * max(smile, 0.0) + 0.15 * slow[:, 5],
        furrow=0.1 + 0.3 * max(smile, 0.0),
    )


def _pain(rng: np.random.Generator, frames: int) -> FloatArray:
    cry = 0.5 + 0.5 * smooth_path(rng, frames, 4.5, 3)
    strength = rng.uniform(0.75, 1.0)
    return _course(
        frames,
        brow_lower=strength * (0.8 + 0.2 * cry[:, 0]),
        eye_open=0.06 * (1.0 - cry[:, 0]),
        eye_squeeze=strength * (0.75 + 0.25 * cry[:, 0]),
        mouth_open=strength * (0.5 + 0.45 * cry[:, 1]),
        mouth_width=0.35 + 0.5 * cry[:, 2],
        mouth_corner=-0.35 - 0.4 * cry[:, 2],
        cheek_raise=0.55 + 0.35 * cry[:, 0],
        furrow=strength * (0.7 + 0.3 * cry[:, 1]),
    )


def _blinks(rng: np.random.Generator, frames: int) -> FloatArray:
    """Return ``[T]`` in [0, 1], 1 at the bottom of a blink; about one blink in 20 frames."""
    closed = np.zeros(frames)
    time = rng.uniform(-4.0, 20.0)
    while time < frames + 2:
        width = rng.uniform(1.2, 2.0)
        closed = np.maximum(closed, smoothstep(1.4 - np.abs(np.arange(frames) - time) / width))
        time += rng.uniform(12.0, 28.0)
    return closed
