"""A picture and its visibility are moved together; nothing of what is hidden shows."""

import cv2
import numpy as np
from tests.unit.preprocessing.test_alignment import texture

from diffmvr.preprocessing.visible import GREY, look_up, move, with_visibility

SIZE = 40
TURN = np.array([[0.9, 0.2, 1.3], [-0.2, 0.9, 6.7]])


def hole() -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[12:20, 9:30] = 1
    return mask


def test_what_is_known_is_the_picture_and_the_rest_is_grey() -> None:
    image, mask = texture(SIZE, 1), hole()
    shown, known = move(with_visibility(image, mask), TURN, (SIZE, SIZE))
    whole = cv2.warpAffine(image, TURN, (SIZE, SIZE))
    np.testing.assert_array_equal(shown[known], whole[known])
    assert (shown[~known] == GREY).all()
    # Known are the pixels whose four neighbours are visible and inside.
    weight = cv2.warpAffine((mask == 0).astype(np.float64), TURN, (SIZE, SIZE))
    assert (weight[known] > 0.995).all()
    assert known[weight == 1].all()


def test_hidden_pixels_are_not_looked_at() -> None:
    image, mask = texture(SIZE, 2), hole()
    other = np.where(mask[..., None] == 1, 255 - image, image)
    position = np.random.default_rng(0).uniform(-3, SIZE + 3, (50, 60, 2)).astype(np.float32)
    for one, another in zip(
        look_up(with_visibility(image, mask), position),
        look_up(with_visibility(other, mask), position),
        strict=True,
    ):
        np.testing.assert_array_equal(one, another)


def test_positions_and_maps_agree() -> None:
    seen = with_visibility(texture(SIZE, 3), hole())
    columns, rows = np.meshgrid(np.arange(30), np.arange(20))
    shift = np.array([[1.0, 0, -4], [0, 1, -7]])
    position = np.stack([columns + 4, rows + 7], axis=-1).astype(np.float32)
    for one, another in zip(move(seen, shift, (20, 30)), look_up(seen, position), strict=True):
        np.testing.assert_array_equal(one, another)
