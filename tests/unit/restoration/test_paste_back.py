"""The way back from the crop to the frame."""

import cv2
import numpy as np
import pytest
from tests.helpers.recordings import box_masks, moving_frames

from diffmvr.preprocessing.crop import CropTransform
from diffmvr.restoration.paste_back import footprint, paste_back, paste_corrected, shows_all

FRAME = moving_frames(1)[0]
MASK = box_masks(6)[5]


def crop_at(x: float, y: float, side: float, size: int) -> CropTransform:
    """The square [x, x + side) of the frame's edge-to-edge coordinates."""
    zoom = size / side
    matrix = np.array([[zoom, 0, (0.5 - x) * zoom - 0.5], [0, zoom, (0.5 - y) * zoom - 0.5]])
    return CropTransform(matrix, size, FRAME.shape[:2])


@pytest.mark.parametrize("crop", [(30, 10, 50, 25), (33.3, 12.7, 40.2, 64), (-20, -30, 120, 32)])
def test_only_hidden_pixels_change(crop: tuple) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (crop[3], crop[3], 3), dtype=np.uint8)

    result = paste_back(noise, FRAME, MASK, crop_at(*crop))

    np.testing.assert_array_equal(result[MASK == 0], FRAME[MASK == 0])


def test_a_crop_at_the_frames_own_resolution_is_exact() -> None:
    other = moving_frames(1, seed=3)[0]
    crop = crop_at(25, 6, 64, 64)

    result = paste_back(crop.apply(other), FRAME, MASK, crop)

    np.testing.assert_array_equal(result, np.where(MASK[..., None] == 1, other, FRAME))


def test_a_smooth_picture_survives_the_way_there_and_back() -> None:
    smooth = cv2.GaussianBlur(FRAME, (0, 0), 4)
    crop = crop_at(20.4, 3.1, 66, 33)

    result = paste_back(crop.apply(smooth), smooth, MASK, crop)

    assert np.abs(result.astype(int) - smooth).max() <= 2


def test_a_hole_outside_the_crop_is_left_alone() -> None:
    grey = np.zeros((8, 8, 3), np.uint8)

    np.testing.assert_array_equal(paste_back(grey, FRAME, MASK, crop_at(0, 0, 16, 8)), FRAME)


def test_a_hole_half_in_the_crop_is_filled_there() -> None:
    crop = crop_at(0, 0, 48, 16)
    black = np.zeros((16, 16, 3), np.uint8)

    result = paste_back(black, FRAME, MASK, crop)

    inside = np.zeros_like(MASK)
    inside[:48, :48] = 1
    np.testing.assert_array_equal(result[(MASK & inside) == 1], 0)
    np.testing.assert_array_equal(result[(MASK & inside) == 0], FRAME[(MASK & inside) == 0])


@pytest.mark.parametrize(
    ("square", "expected"),
    [
        ((10, 20, 30, 15), (10, 20, 40, 50)),
        ((10.5, 20.5, 30, 15), (10, 20, 41, 51)),
        ((10.6, 20.4, 30, 15), (11, 20, 41, 50)),
        ((-5, -5, 200, 10), (0, 0, 96, 72)),
        ((100, 100, 10, 10), (96, 72, 96, 72)),
    ],
)
def test_the_footprint_holds_the_pixels_whose_centre_is_shown(
    square: tuple, expected: tuple
) -> None:
    assert footprint(crop_at(*square)) == expected


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"observed: expected shape \(72, 96, 3\)"):
        paste_back(FRAME[:16, :16], FRAME[:-1], MASK, crop_at(0, 0, 16, 16))


FACE, REGION = crop_at(12, 0, 48, 24), crop_at(0, 0, 72, 72)


def flat(size: int, level: int) -> np.ndarray:
    return np.full((size, size, 3), level, np.uint8)


def test_what_leaves_the_crop_is_filled_from_around_it() -> None:
    assert not shows_all(MASK, FACE)
    assert shows_all(MASK, REGION)

    result = paste_back(flat(24, 200), FRAME, MASK, FACE, around=(flat(72, 50), REGION))

    np.testing.assert_array_equal(result[MASK == 0], FRAME[MASK == 0])
    outside = MASK == 1
    outside[:48, 12:60] = False
    assert outside.any() and (result[outside] == 50).all()
    # Ten per cent of the crop inside its edge, and further, it is the crop's.
    deep = MASK == 1
    deep[:, 55:] = deep[43:] = False
    assert deep.any() and (result[deep] == 200).all()
    assert set(np.unique(result[(MASK == 1)])) <= set(range(50, 201))


def test_a_correction_is_added_where_the_crop_is() -> None:
    correction = np.full((24, 24, 3), 30.4, np.float32)

    result = paste_corrected(correction, FRAME, MASK, FACE, (flat(72, 100), REGION))

    np.testing.assert_array_equal(result[MASK == 0], FRAME[MASK == 0])
    deep = MASK == 1
    deep[:, 55:] = deep[43:] = False
    assert (result[deep] == 130).all()
    outside = MASK == 1
    outside[:48, 12:60] = False
    assert (result[outside] == 100).all()


def test_a_correction_cannot_leave_the_range() -> None:
    correction = np.full((24, 24, 3), -300, np.float32)

    result = paste_corrected(correction, FRAME, MASK, FACE, (flat(72, 100), REGION))

    assert (result[MASK == 1].min(), result[MASK == 1].max()) == (0, 100)


def test_a_correction_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"correction: expected shape \(24, 24, 3\)"):
        paste_corrected(np.zeros((8, 8, 3), np.float32), FRAME, MASK, FACE, (flat(72, 0), REGION))
