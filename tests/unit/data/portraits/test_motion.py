"""What portraits do: in range, smooth, and in a person's time."""

from collections.abc import Iterator

import numpy as np
import pytest

from diffmvr.data.portraits.camera import BEYOND, sample_camera
from diffmvr.data.portraits.motion import (
    Motion,
    minimum_jerk,
    sample_motion,
    sample_turns,
    still,
)
from diffmvr.data.synthetic.occluders import draw_schedule

RATE = 100.0
LOW, HIGH = np.array([-2.5, -2.2]), np.array([2.5, 2.6])


def motions(count: int = 60, frames: int = 300) -> Iterator[Motion]:
    for seed in range(count):
        yield sample_motion(np.random.default_rng(seed), frames, RATE)


def test_a_still_face_does_nothing() -> None:
    motion = still(3, smile=0.5)
    assert len(motion) == 3 and (motion.smile == 0.5).all() and (motion.scale == 1).all()
    for field in (motion.jaw, motion.blink, motion.gaze, motion.turn, motion.shift):
        assert not field.any()


def test_the_smoothest_way_begins_and_ends_at_rest() -> None:
    x = np.linspace(0, 1, 1001)
    y = minimum_jerk(x)
    assert y[0] == 0 and y[-1] == 1 and (np.diff(y) >= 0).all()
    speed, acceleration = np.gradient(y, x), np.gradient(np.gradient(y, x), x)
    assert abs(speed[[0, -1]]).max() < 0.01 and abs(acceleration[[1, -2]]).max() < 0.2
    assert minimum_jerk(np.array([-1.0, 2.0])).tolist() == [0, 1]


def test_a_smile_comes_in_a_third_to_three_quarters_of_a_second() -> None:
    found = []
    for motion in motions():
        course = motion.smile.mean(axis=1)
        assert motion.smile.min() >= 0 and motion.smile.max() <= 1
        # From a tenth to nine tenths of the way: 58 % of a minimum-jerk course.
        if course[0] < 0.02 and course.max() > 0.8:
            top = course.max()
            rise = np.argmax(course > 0.9 * top) - np.argmax(course > 0.1 * top)
            found.append(rise / RATE / 0.58)
    assert len(found) > 10
    assert np.median(found) == pytest.approx(0.5, abs=0.12) and min(found) > 0.25


def test_most_clips_change_and_some_smile_more_on_one_side() -> None:
    changed = [np.ptp(motion.smile.mean(axis=1)) > 0.2 for motion in motions()]
    uneven = [np.abs(np.diff(motion.smile, axis=1)).max() for motion in motions()]
    assert 0.6 < np.mean(changed) < 1
    assert 0.005 < np.median(uneven) < 0.2


def test_of_most_that_is_hidden_the_last_clear_frame_shows_another_smile() -> None:
    # A clip as data=portraits makes it: 16 frames, ten a second.
    frames, hidden, other = 16, 0, 0
    for seed in range(150):
        smile = sample_motion(np.random.default_rng(seed), frames, 10.0).smile.mean(axis=1)
        schedule = draw_schedule(np.random.default_rng([seed, 1]), frames)
        clear = int(np.ceil(schedule.arrive))
        gone = min(float(frames), schedule.leave + schedule.departure)
        course = smile[clear + 1 : int(gone)]
        hidden += len(course)
        other += int((np.abs(course - smile[clear]) > 0.3).sum())
    assert hidden > 1000 and 0.55 < other / hidden < 0.75


def test_a_blink_lasts_as_long_as_peoples_do() -> None:
    lasts = []
    for motion in motions(30):
        assert motion.blink.min() >= 0 and motion.blink.max() <= 1
        shut = np.pad((motion.blink > 0.05).astype(int), 1)
        starts, stops = np.flatnonzero(np.diff(shut) == 1), np.flatnonzero(np.diff(shut) == -1)
        inside = (starts > 0) & (stops < len(motion))
        lasts += list((stops - starts)[inside] / RATE)
    assert len(lasts) > 20
    assert min(lasts) > 0.1 and max(lasts) < 0.45


def test_heads_turn_little_and_smoothly() -> None:
    for seed in range(20):
        pose = sample_turns(np.random.default_rng(seed), 60, 25.0)
        assert np.abs(pose["turn"]).max(axis=0) == pytest.approx(np.zeros(3), abs=0.2)
        assert np.abs(np.diff(pose["turn"], axis=0)).max() < 0.03
        assert np.abs(pose["scale"] - 1).max() < 0.05


def test_a_camera_stays_near_the_picture() -> None:
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], float)
    for seed in range(20):
        camera = sample_camera(np.random.default_rng(seed), 12, 10.0, LOW, HIGH)
        for matrix in camera.matrix:
            seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
            # A held camera also rolls and wanders a little.
            assert (seen > LOW - BEYOND - 0.15).all() and (seen < HIGH + BEYOND + 0.15).all()
