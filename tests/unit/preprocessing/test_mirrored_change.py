"""What has changed in the visible half of a face is added to the hidden one, mirrored."""

import cv2
import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.geometry import move_points
from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.composition import compose_references
from diffmvr.preprocessing.layers import carry
from diffmvr.preprocessing.mirrored_change import (
    mirrored_change,
    reflection_in,
    symmetric_region,
)
from diffmvr.preprocessing.picture import Picture

SIDE = 160
# Canonical face → pixels: the axis is the column 79.5, the eyes lie 40 pixels apart.
FACE = np.array([[40.0, 0, 79.5], [0, 40, 60]])
MASK = np.zeros((SIDE, SIDE), np.uint8)
MASK[20:140, 84:150] = 1
KNOWN = np.ones_like(MASK, bool)
RIGHT = np.s_[94:110, 90:108]
LEFT = np.s_[94:110, 52:70]


def skin() -> np.ndarray:
    """A face that is not symmetric at all."""
    return smooth_texture(SIDE, SIDE, 1)


def smiling(amount: int = 60) -> np.ndarray:
    """The same face with a fold on both sides of the mouth, alike on both."""
    image = skin().astype(int)
    for place in (RIGHT, LEFT):
        image[place] += amount
    return image.clip(0, 255).astype(np.uint8)


def found(image: np.ndarray, shown: np.ndarray | None = None, **changes: object) -> np.ndarray:
    arguments = {"known": KNOWN, "image": image, "mask": MASK, "face": FACE, **changes}
    return mirrored_change((skin() if shown is None else shown).astype(np.float32), **arguments)


def test_a_reflection_leaves_the_axis_and_is_its_own_inverse() -> None:
    turned = np.array([[30.0, -12, 70], [12, 30, 50]])
    reflection = reflection_in(turned)
    on_axis = move_points(turned, np.array([[0.0, -1], [0, 0.3], [0, 2]]))
    np.testing.assert_allclose(move_points(reflection, on_axis), on_axis, atol=1e-9)
    eyes = move_points(turned, np.array([[-0.5, 0], [0.5, 0]]))
    np.testing.assert_allclose(move_points(reflection, eyes), eyes[::-1], atol=1e-9)


def test_a_new_fold_of_the_visible_half_appears_in_the_hidden_one() -> None:
    truth = smiling()
    hidden = np.where(MASK[..., None] == 1, np.uint8(0), truth)
    change = found(hidden)
    middle = np.s_[98:106, 94:104]
    assert 35 < change[middle].mean() <= 61
    filled = skin() + change
    inside = MASK == 1

    def error(image: np.ndarray) -> float:
        return float((((image - truth) ** 2)[inside]).mean())

    assert error(filled) < 0.25 * error(skin().astype(float))
    # The hidden half keeps its own skin: the mirror image alone is far off.
    assert error(filled) < 0.1 * error(truth[:, ::-1].astype(float))


def test_nothing_is_added_outside_the_hole_off_the_face_or_where_both_halves_are_hidden() -> None:
    change = found(smiling(100))
    assert not change[MASK == 0].any()
    assert not change[symmetric_region(FACE, MASK.shape) == 0].any()
    both = MASK.copy()
    both[90:114, 40:76] = 1
    assert abs(found(smiling(100), mask=both)[98:106, 94:104]).max() < 1e-3


def test_hidden_and_unknown_pixels_do_not_matter() -> None:
    image = smiling()
    spoilt = np.where(MASK[..., None] == 1, np.uint8(7), image)
    np.testing.assert_array_equal(found(image), found(spoilt))
    assert not found(image, known=~KNOWN).any()


@pytest.mark.parametrize("amount", [4, -4])
def test_a_small_difference_is_noise(amount: int) -> None:
    assert not found(smiling(amount)).any()


def test_another_light_is_no_expression() -> None:
    ramp = np.linspace(-40, 40, SIDE)[:, None, None]
    lit = (skin() * 0.8 + ramp).clip(0, 255).astype(np.uint8)
    flat = np.full_like(lit, 120)
    assert not found((flat + ramp).astype(np.uint8), flat).any()
    assert abs(found(lit)).mean() < 2


def reference(index: int, image: np.ndarray, mask: np.ndarray | None = None) -> Reference:
    clear = np.zeros_like(MASK)
    return Reference(index, Picture(image, clear if mask is None else mask), FACE, np.eye(2, 3))


@pytest.mark.parametrize("count", [1, 3])
def test_references_show_the_change_where_they_are_asked_to(count: int) -> None:
    truth = smiling()
    current = reference(9, np.where(MASK[..., None] == 1, np.uint8(0), truth), MASK)
    # Another light in each, so that there is something to mix.
    bank = [reference(k, cv2.convertScaleAbs(skin(), alpha=1 - 0.01 * k)) for k in range(count)]
    plain, mirrored = (
        compose_references(bank, current, mirrored=wanted).image.astype(float)
        for wanted in (False, True)
    )
    middle = np.s_[98:106, 94:104]
    assert (
        abs(mirrored[middle] - truth[middle]).mean()
        < 0.6 * abs(plain[middle] - truth[middle]).mean()
    )
    np.testing.assert_array_equal(mirrored[MASK == 0], plain[MASK == 0])
    if count == 1:
        motions = bank[0].motions_to(current)
        alone = carry(bank[0].picture, current.picture, motions, mirrored=True)[0]
        assert abs(alone - mirrored).max() <= 1
        window = np.s_[40:130, 70:150]
        part = carry(bank[0].picture, current.picture, motions, window, mirrored=True)[0]
        np.testing.assert_array_equal(part, alone[window])
