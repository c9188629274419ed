"""What a face and a camera do over time: smiles, words, blinks, glances, turns of the head.

Legend: T frames.  Times are in seconds, lengths in distances between the eyes.
"""

from dataclasses import dataclass, replace

import numpy as np

from diffmvr.data.synthetic.rng import smooth_path
from diffmvr.structures import FloatArray

ONSET = (0.3, 0.7)
OFFSET = (0.4, 0.9)
"""How long a smile takes to come and to go."""

CLOSING, CLOSED, OPENING = (0.07, 0.11), (0.02, 0.06), (0.13, 0.22)
"""How long a lid takes to come down, stays, and takes to go up."""


@dataclass(frozen=True)
class Motion:
    """What happens in each of T frames.

    Attributes:
        smile: ``[T, 2]`` how far each half of the face, the picture's left and right, is from the
            first picture's expression (0) to the second's (1).
        jaw: ``[T]`` how far the jaw is down.
        blink: ``[T]`` 0 with open eyes, 1 with closed ones.
        gaze: ``[T, 2]`` shift of the irises.
        turn: ``[T, 3]`` yaw, pitch, roll in radians: to the picture's right, down, clockwise.
        shift: ``[T, 2]`` of the head.
        scale: ``[T]`` of the head.
    """

    smile: FloatArray
    jaw: FloatArray
    blink: FloatArray
    gaze: FloatArray
    turn: FloatArray
    shift: FloatArray
    scale: FloatArray

    def __len__(self) -> int:
        return len(self.jaw)


def still(frames: int, smile: float = 0.0) -> Motion:
    """Return the motion of a face that stays as it is."""
    zero = np.zeros(frames)
    pair = np.zeros((frames, 2))
    return Motion(pair + smile, zero, zero, pair, np.zeros((frames, 3)), pair, zero + 1.0)


def sample_motion(rng: np.random.Generator, frames: int, frame_rate: float) -> Motion:
    """Draw what a face does; the head keeps still.

    Args:
        rng: source of everything random.
        frames: T.
        frame_rate: frames in a second.
    """
    time = np.arange(frames) / frame_rate
    return replace(
        still(frames),
        smile=_smile(rng, time),
        jaw=_words(rng, time),
        blink=_blinks(rng, time),
        gaze=_glances(rng, time),
    )


def sample_turns(rng: np.random.Generator, frames: int, frame_rate: float) -> dict[str, FloatArray]:
    """Draw how a head moves: the fields ``turn``, ``shift`` and ``scale`` of a ``Motion``.

    Args:
        rng: source of everything random.
        frames: T.
        frame_rate: frames in a second.
    """
    path = smooth_path(rng, frames, max(2.0, 0.7 * frame_rate), 6)
    slow = smooth_path(rng, frames, max(4.0, 2.0 * frame_rate), 3)
    lively = rng.uniform(0.2, 1.0)
    turn = rng.normal(0.0, (0.04, 0.02, 0.03)) + lively * (
        np.array([0.08, 0.035, 0.05]) * path[:, :3] + np.array([0.06, 0.03, 0.05]) * slow
    )
    return {
        "turn": np.clip(turn, (-0.16, -0.09, -0.2), (0.16, 0.09, 0.2)),
        "shift": lively * np.array([0.12, 0.07]) * path[:, 3:5],
        "scale": 1.0 + 0.035 * lively * path[:, 5],
    }


def minimum_jerk(share: FloatArray) -> FloatArray:
    """Return the smoothest way from 0 to 1 (Flash & Hogan 1985): 10x³ − 15x⁴ + 6x⁵."""
    x = np.clip(share, 0.0, 1.0)
    return np.asarray(x**3 * (10.0 - 15.0 * x + 6.0 * x**2))


def _smile(rng: np.random.Generator, time: FloatArray) -> FloatArray:
    """Return ``[T, 2]``: a smile that comes and goes, somewhat more on one side."""
    lag, uneven = rng.normal(0.0, 0.02, 2), np.exp(rng.normal(0.0, 0.06, 2))
    level = _level(rng, high=rng.uniform() < 0.45)
    course = np.full((len(time), 2), level)
    length = time[-1] if len(time) > 1 else 1.0
    # In one clip of ten nothing changes.  In the others the first change comes about when an
    # occluder has come (``covers``), and stays for a while: of more than half of what is hidden
    # the newest clear frame shows another face.
    begin = rng.uniform(0.2, 0.4) * length if rng.uniform() < 0.9 else np.inf
    while begin < length:
        target = _level(rng, high=level < 0.5)
        lasts = rng.uniform(*(ONSET if target > level else OFFSET))
        share = minimum_jerk((time[:, None] - begin - lag) / lasts)
        course += share * (target - level)
        level = target
        begin += lasts + rng.uniform(0.5, 2.5)
    return np.clip(course * uneven, 0.0, 1.0)


def _level(rng: np.random.Generator, high: bool) -> float:
    if rng.uniform() < 0.25:
        return float(rng.uniform(0.5, 0.8) if high else rng.uniform(0.15, 0.4))
    return float(rng.uniform(0.85, 1.0)) if high else 0.0


def _words(rng: np.random.Generator, time: FloatArray) -> FloatArray:
    """Return ``[T]``: in one clip of three the mouth speaks, three to five syllables a second."""
    rate, phase = rng.uniform(2.5, 4.5, 2), rng.uniform(0.0, 2 * np.pi, 2)
    strength, begin = rng.uniform(0.03, 0.09), rng.uniform(-1.0, 1.0)
    lasts = rng.uniform(0.6, 2.5)
    if rng.uniform() > 1 / 3:
        return np.zeros(len(time))
    wave = np.sin(2 * np.pi * rate[0] * time + phase[0])
    wave = wave * (0.7 + 0.3 * np.sin(2 * np.pi * 0.37 * rate[1] * time + phase[1]))
    there = minimum_jerk((time - begin) / 0.2) * (1 - minimum_jerk((time - begin - lasts) / 0.25))
    return np.asarray(strength * there * np.clip(0.35 + 0.65 * wave, 0.0, 1.0))


def _blinks(rng: np.random.Generator, time: FloatArray) -> FloatArray:
    """Return ``[T]``: one blink in about two seconds."""
    closed = np.zeros(len(time))
    begin = rng.uniform(-0.5, 2.5)
    while len(time) and begin < time[-1]:
        down, shut, up = (rng.uniform(*span) for span in (CLOSING, CLOSED, OPENING))
        course = minimum_jerk((time - begin) / down)
        course = course * (1.0 - minimum_jerk((time - begin - down - shut) / up))
        closed = np.maximum(closed, course)
        begin += rng.uniform(1.2, 3.5)
    return closed


def _glances(rng: np.random.Generator, time: FloatArray) -> FloatArray:
    """Return ``[T, 2]``: small quick shifts of gaze, in two clips of five."""
    gaze = np.zeros((len(time), 2))
    here, begin = np.zeros(2), rng.uniform(0.1, 1.2)
    if rng.uniform() > 0.4:
        return gaze
    while len(time) and begin < time[-1]:
        there = rng.uniform((-0.06, -0.012), (0.06, 0.012)) if rng.uniform() < 0.7 else np.zeros(2)
        gaze += minimum_jerk((time - begin) / 0.05)[:, None] * (there - here)
        here = there
        begin += rng.uniform(0.4, 1.5)
    return gaze
