import cv2
import numpy as np
import pytest

from diffmvr.preprocessing.alignment import (
    extend_smoothly,
    propagate_past,
    refine_by_flow,
)

GREY = 128


def similarity(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, x], [sin, cos, y]])


def texture(size: int, seed: int = 0) -> np.ndarray:
    """A picture with detail at several scales, as skin and features have."""
    rng = np.random.default_rng(seed)
    layers = sum(
        cv2.GaussianBlur(rng.normal(size=(size, size, 3)), (0, 0), sigma) * sigma
        for sigma in (size / 40, size / 16, size / 8)
    )
    return cv2.normalize(layers, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def disc(size: int, radius: float) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    return cv2.circle(mask, (size // 2, size // 2), round(radius), 1, -1)


def error(picture: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.sqrt(np.mean((picture[where].astype(float) - truth[where]) ** 2)))


@pytest.mark.parametrize("refine", [False, True])
def test_a_shift_by_whole_pixels_is_carried_exactly(refine):
    past = texture(64)
    current = np.roll(past, (5, -3), axis=(0, 1))
    open_mask, hole = np.zeros((64, 64), np.uint8), disc(64, 12)
    carried, known = propagate_past(past, open_mask, current, hole, similarity(1, 0, -3, 5), refine)
    assert known[6:, :60].all()
    assert not known[:5].any()
    assert (carried[~known] == GREY).all()
    inside = (hole == 1) & known
    assert error(carried, current, inside) <= (0.0 if not refine else 1.5)


def test_a_similarity_is_carried():
    past = texture(96)
    motion = similarity(1.1, 8, -9, 4)
    current = cv2.warpAffine(past, motion, (96, 96), flags=cv2.INTER_CUBIC)
    open_mask = np.zeros((96, 96), np.uint8)
    carried, known = propagate_past(past, open_mask, current, disc(96, 20), motion, refine=False)
    assert known.mean() > 0.8
    # What bilinear interpolation loses against cubic.
    assert error(carried, current, known) < 3.0


@pytest.mark.parametrize("size", [64, 160])
def test_flow_finds_what_the_similarity_leaves(size):
    past = texture(size)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    # Bends up to 4 % of the frame, over wavelengths a face has.
    amplitude = 0.04 * size
    bend_x = x + amplitude * np.sin(2 * np.pi * y / size + 0.5)
    bend_y = y + amplitude * np.cos(2 * np.pi * x / size)
    current = cv2.remap(past, bend_x, bend_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    hole = disc(size, size / 7)
    unmasked = np.zeros_like(hole)
    identity = np.eye(2, 3)
    occluded = current.copy()
    occluded[hole == 1] = (255, 0, 0)
    plain, _ = propagate_past(past, unmasked, occluded, hole, identity, refine=False)
    refined, known = propagate_past(past, unmasked, occluded, hole, identity, refine=True)
    inside = hole == 1
    assert known[inside].all()
    assert error(refined, current, inside) < 0.5 * error(plain, current, inside)


def test_frames_need_not_be_square():
    past = texture(120)[:50]
    current = np.roll(past, 2, axis=1)
    hole = np.zeros((50, 120), np.uint8)
    hole[18:32, 50:70] = 1
    carried, known = propagate_past(past, 0 * hole, current, hole, np.eye(2, 3))
    inside = hole == 1
    assert known[inside].all()
    assert error(carried, current, inside) < 0.5 * error(past, current, inside)


def test_the_occluder_does_not_steer_the_flow():
    past, hole = texture(64), disc(64, 14)
    unmasked = np.zeros_like(hole)
    results = []
    for colour in (0, 255):
        current = np.roll(past, 2, axis=1)
        current[hole == 1] = colour
        results.append(propagate_past(past, unmasked, current, hole, np.eye(2, 3))[0])
    np.testing.assert_array_equal(*results)


def test_what_the_past_frame_hides_stays_unknown_and_grey():
    past, hole = texture(64), disc(64, 10)
    past_mask = np.zeros((64, 64), np.uint8)
    past_mask[28:36, 28:36] = 1
    occluded = past.copy()
    occluded[past_mask == 1] = 255
    carried, known = propagate_past(occluded, past_mask, past, hole, np.eye(2, 3), refine=False)
    np.testing.assert_array_equal(known, past_mask == 0)
    assert (carried[28:36, 28:36] == GREY).all()


def test_without_anything_to_trust_the_residual_is_zero():
    past, other = texture(64), texture(64, seed=1)
    everything = np.ones((64, 64), bool)
    nothing_visible = np.ones((64, 64), np.uint8)
    assert not refine_by_flow(past, everything, other, nothing_visible).any()
    assert not refine_by_flow(past, ~everything, other, 0 * nothing_visible).any()


def test_extension_reaches_the_middle_of_a_hole():
    trusted = disc(80, 24) == 0
    field = np.zeros((80, 80, 2), np.float32)
    field[trusted] = (3.0, -2.0)
    extended = extend_smoothly(field, trusted)
    np.testing.assert_allclose(extended[40, 40], [3.0, -2.0], atol=0.15)
    assert not extend_smoothly(field, np.zeros_like(trusted)).any()


def test_frames_must_have_one_size():
    small, large = np.zeros((4, 4, 3), np.uint8), np.zeros((5, 5, 3), np.uint8)
    with pytest.raises(ValueError, match=r"past_image and current_image must have the same shape"):
        propagate_past(small, small[..., 0], large, large[..., 0], np.eye(2, 3))
