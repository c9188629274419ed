import cv2
import numpy as np
from tests.helpers.clips import smooth_texture

from diffmvr.preprocessing.weighing import near_hole, weigh

SIDE = 128
HOLE = np.zeros((SIDE, SIDE), np.uint8)
HOLE[20:110, 20:110] = 1
KNOWN = np.ones((4, SIDE, SIDE), bool)


def states(noise: float = 2.0) -> np.ndarray:
    """Four frames that differ in the middle, where a mouth is open more or less."""
    skin = np.full((SIDE, SIDE, 3), 150, np.float32)
    rng = np.random.default_rng(0)
    shown = []
    for openness, shade in ((4, 2), (10, 1), (16, 0), (22, 1)):
        frame = skin + shade + rng.normal(0, noise, skin.shape).astype(np.float32)
        cv2.ellipse(frame, (64, 64), (20, openness), 0, 0, 360, (60, 20, 20), -1)
        shown.append(frame)
    return np.stack(shown)


def test_where_nothing_tells_one_state_is_shown_and_no_mean_of_them() -> None:
    shown = states()
    image = np.random.default_rng(1).normal(150, 2, shown[0].shape).astype(np.uint8)
    found = weigh(shown, KNOWN, image, HOLE)
    mouth = np.s_[:, 46:82, 48:80]
    assert found.shown[mouth].max(axis=0).mean() > 0.9, "one of them"
    assert found.shown[mouth].mean(axis=(1, 2)).argmax() == 2, "the one that fits what is visible"
    assert found.evidence[mouth].max(axis=0).mean() < 0.7, "nothing says so"


def test_skin_beside_a_mouth_does_not_tell_its_state() -> None:
    """Visible, and the same in all states: a mean of them would be two mouths in one."""
    tight = np.zeros_like(HOLE)
    tight[40:88, 40:88] = 1
    shown = states()
    image = np.random.default_rng(1).normal(150, 2, shown[0].shape).astype(np.uint8)
    found = weigh(shown, KNOWN, image, tight)
    assert found.shown[:, 46:82, 48:80].max(axis=0).mean() > 0.9


def test_the_one_that_is_shown_fits_what_is_visible_beside_it() -> None:
    """And not what is far away, however much that differs."""
    shown = states()
    for k, frame in enumerate(shown):
        frame[12:] += 6 * k
        frame[:12] += 30 * k
    image = np.full(shown[0].shape, 150 + 6 * 2, np.uint8)
    image[:12] = 150
    tight = np.zeros_like(HOLE)
    tight[40:88, 40:88] = 1
    found = weigh(shown, KNOWN, image, tight)
    assert found.shown[:, 60:68, 60:68].mean(axis=(1, 2)).argmax() == 2


def test_where_the_states_agree_or_something_is_visible_they_are_mixed() -> None:
    shown = states()
    image = np.rint(shown.mean(axis=0)).clip(0, 255).astype(np.uint8)
    found = weigh(shown, KNOWN, image, HOLE)
    skin = np.s_[:, 24:30, 24:104]
    np.testing.assert_allclose(found.shown[skin], found.evidence[skin], atol=0.02)
    small = np.zeros_like(HOLE)
    small[60:68, 60:68] = 1
    found = weigh(shown, KNOWN, image, small)
    np.testing.assert_allclose(found.shown, found.evidence, atol=1e-5)


def test_weights_are_the_same_wherever_memory_lies() -> None:
    image = smooth_texture(SIDE, SIDE, 1)
    results = []
    for shift in (0, 4, 8, 36):
        memory = np.empty(HOLE.nbytes + 64, np.uint8)
        mask = memory[shift : shift + HOLE.nbytes].reshape(HOLE.shape)
        mask[...] = HOLE
        filler = np.empty(1000 + 13 * shift)
        results.append((near_hole(mask), weigh(states(), KNOWN, image, mask).shown, filler))
    for weight, fields, _ in results[1:]:
        np.testing.assert_array_equal(weight, results[0][0])
        np.testing.assert_array_equal(fields, results[0][1])
