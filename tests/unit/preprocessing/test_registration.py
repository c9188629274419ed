import cv2
import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.preprocessing.registration import Registration

SIDE = 128
HOLE = np.zeros((SIDE, SIDE), np.uint8)
HOLE[50:90, 40:80] = 1
EVERYWHERE = np.ones((SIDE, SIDE), bool)
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def moved(image: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """What shows at x + u(x) what the image shows at x, for a motion that changes slowly."""
    x, y = COLUMNS.copy(), ROWS.copy()
    for _ in range(20):
        back = cv2.remap(motion, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        x, y = COLUMNS - back[..., 0], ROWS - back[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def smooth_motion(size: float) -> np.ndarray:
    angle = np.pi * np.stack([ROWS, COLUMNS], axis=-1) / SIDE
    return (size * np.sin(angle + 0.4)).astype(np.float32)


def test_equal_frames_have_not_moved() -> None:
    image = smooth_texture(SIDE, SIDE, 0)
    assert np.abs(Registration(image, HOLE).motion_to(image, EVERYWHERE)).max() < 1e-4


@pytest.mark.parametrize("size", [1.5, 5.0])
def test_a_smooth_motion_is_found_and_goes_on_in_the_hole(size: float) -> None:
    image, motion = smooth_texture(SIDE, SIDE, 1), smooth_motion(size)
    found = Registration(image, HOLE).motion_to(moved(image, motion), EVERYWHERE)
    error = np.linalg.norm(found - motion, axis=-1)[8:-8, 8:-8]
    assert error[HOLE[8:-8, 8:-8] == 0].mean() < 0.1 * size
    assert error[HOLE[8:-8, 8:-8] == 1].mean() < 0.2 * size


def test_another_light_is_no_motion() -> None:
    image = smooth_texture(SIDE, SIDE, 2)
    brighter = np.clip(image.astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    registration = Registration(image // 2, HOLE)
    assert np.abs(registration.motion_to(brighter, EVERYWHERE)).max() < 0.1


def test_hidden_and_unknown_pixels_do_not_matter() -> None:
    image, rng = smooth_texture(SIDE, SIDE, 3), np.random.default_rng(0)
    other, known = moved(image, smooth_motion(2.0)), EVERYWHERE.copy()
    known[:20, 70:] = False
    noise = rng.integers(0, 256, image.shape, dtype=np.uint8)
    results = [
        Registration(np.where(HOLE[..., None] == 1, a, image), HOLE).motion_to(
            np.where(known[..., None], other, b), known
        )
        for a, b in ((image, other), (noise, noise))
    ]
    np.testing.assert_array_equal(*results)


def test_what_is_new_in_a_frame_pulls_little() -> None:
    image, motion = smooth_texture(SIDE, SIDE, 4), smooth_motion(2.0)
    other = moved(image, motion)
    other[90:115, 90:115] = 255 - other[90:115, 90:115]
    found = Registration(image, HOLE).motion_to(other, EVERYWHERE)
    error = np.linalg.norm(found - motion, axis=-1)
    assert error[20:80, 10:40].mean() < 0.3
    assert error[90:115, 90:115].mean() < 2.0


def test_nothing_to_compare_is_no_motion() -> None:
    image = smooth_texture(SIDE, SIDE, 5)
    hidden = np.ones_like(HOLE)
    found = Registration(image, hidden).motion_to(image[::-1].copy(), EVERYWHERE)
    np.testing.assert_array_equal(found, np.zeros_like(found))
