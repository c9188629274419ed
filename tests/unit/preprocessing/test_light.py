import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.preprocessing.light import GAIN_SLACK, LEVEL_SLACK, Light, match_lights

SIDE = 48
EVERYWHERE = np.ones((SIDE, SIDE), bool)
ALL_COUNT = np.ones((SIDE, SIDE))
SCENE = (0.6 * smooth_texture(SIDE, SIDE, 3) + 40).astype(np.float32)


def match_light(
    shown: np.ndarray, known: np.ndarray, image: np.ndarray, weight: np.ndarray
) -> Light:
    return match_lights(shown[None], known[None], image, weight)[0]


def in_other_light(gain: float, shift: tuple[float, float, float]) -> np.ndarray:
    middle = SCENE.mean(axis=(0, 1))
    return np.clip(middle + np.array(shift) + gain * (SCENE - middle), 0, 255).astype(np.uint8)


def test_the_same_light_changes_nothing_bit_for_bit() -> None:
    light = match_light(SCENE, EVERYWHERE, SCENE.astype(np.uint8), ALL_COUNT)
    assert light.is_same
    assert light.apply(SCENE) is SCENE


@pytest.mark.parametrize(("gain", "shift"), [(1.25, (12, 4, -8)), (0.8, (-20, -20, -20))])
def test_another_light_is_found_but_for_the_slack(
    gain: float, shift: tuple[float, float, float]
) -> None:
    target = in_other_light(gain, shift)
    light = match_light(SCENE, EVERYWHERE, target, ALL_COUNT)

    left = light.apply(SCENE) - target
    assert np.abs(left.mean(axis=(0, 1))).max() < LEVEL_SLACK + 0.6
    assert abs(light.gain - gain) < GAIN_SLACK + 0.03


def test_what_changed_in_itself_has_little_say() -> None:
    target = in_other_light(1.0, (15, 15, 15))
    # A third of what is compared shows something else.
    target[: SIDE // 3] = 255 - target[: SIDE // 3]
    light = match_light(SCENE, EVERYWHERE, target, ALL_COUNT)

    rest = np.s_[SIDE // 3 :]
    before = np.abs(SCENE[rest] - target[rest]).mean()
    assert np.abs(light.apply(SCENE)[rest] - target[rest]).mean() < 0.3 * before


def test_hidden_and_unknown_pixels_are_not_looked_at() -> None:
    target, weight, known = in_other_light(1.1, (9, 0, 0)), ALL_COUNT.copy(), EVERYWHERE.copy()
    weight[:10], known[:, :10] = 0, False
    expected = match_light(SCENE, known, target, weight)
    spoilt, scene = target.copy(), SCENE.copy()
    spoilt[:10], scene[:, :10] = 255, 0

    found = match_light(scene, known, spoilt, weight)
    assert found.gain == expected.gain
    np.testing.assert_array_equal(found.level, expected.level)


def test_too_few_pixels_say_nothing() -> None:
    weight = np.zeros((SIDE, SIDE))
    weight[0, :40] = 1
    assert match_light(SCENE, EVERYWHERE, in_other_light(1.3, (9, 9, 9)), weight).is_same
