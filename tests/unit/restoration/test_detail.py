"""Past clear frames at the recording's own resolution are the picture that the model corrects."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.unit.preprocessing.test_alignment import texture

from diffmvr.geometry import compose, invert, scaling
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.restoration.detail import carry_detail, past_guide
from diffmvr.restoration.lenders import FrameInPlace, Lent

SIZE, MODEL, SQUARE = 256, 64, 200


def place(image: np.ndarray, mask: np.ndarray, x: float, y: float) -> FrameInPlace:
    """A crop of 200 × 200 pixels at (x, y), reduced to the model's size, a face in its middle."""
    face = np.array([[13.0, 0, 32], [0, 13, 28]])
    return FrameInPlace(image, mask, square(x, y, SQUARE), face)


def square(x: float, y: float, side: float, size: int = MODEL) -> CropTransform:
    zoom = size / side
    matrix = np.array([[zoom, 0, (0.5 - x) * zoom - 0.5], [0, zoom, (0.5 - y) * zoom - 0.5]])
    return CropTransform(matrix, size, (SIZE, SIZE))


def rms(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a[where].astype(float) - b[where]) ** 2)))


def scene() -> tuple[FrameInPlace, FrameInPlace, np.ndarray]:
    """A past frame, the current one that shows the same 7 pixels on, half of it hidden."""
    grain = cv2.GaussianBlur(np.random.default_rng(3).normal(size=(SIZE, SIZE, 3)), (0, 0), 1.2)
    past = np.clip(texture(SIZE, 3) + 60 * grain, 0, 255).astype(np.uint8)
    truth = np.roll(past, (7, 7), axis=(0, 1))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[100:170, 100:170] = 1
    observed = np.where(mask[..., None] == 1, np.uint8(0), truth)
    clear = np.zeros_like(mask)
    return place(past, clear, 20, 20), place(observed, mask, 27, 27), truth


def test_detail_comes_back():
    past, current, truth = scene()
    picture, crop, _ = carry_detail(current, current.crop, Lent((past,)))
    assert (crop.size, picture.shape) == (SQUARE, (SQUARE, SQUARE, 3))
    hole = crop.apply_mask(current.mask) == 1
    sharp = crop.apply(truth)
    coarse = cv2.resize(current.crop.apply(truth), (SQUARE, SQUARE), interpolation=cv2.INTER_CUBIC)
    assert rms(picture, sharp, hole) < 0.5 * rms(coarse, sharp, hole)


def test_what_the_latest_clear_frame_hides_an_earlier_one_lends():
    past, current, truth = scene()
    beside = past.mask.copy()
    beside[90:180, 90:130] = 1
    latest = replace(past, mask=beside, image=np.where(beside[..., None] == 1, 0, past.image))
    # Seven pixels on, and away from its edge.
    hidden_twice = (current.mask == 1) & (np.arange(SIZE) < 132)
    pictures = [
        crop.apply_inverse(picture)
        for picture, crop, _ in (
            carry_detail(current, current.crop, Lent(frames))
            for frames in ((latest,), (latest, past))
        )
    ]
    assert rms(pictures[1], truth, hidden_twice) < 0.7 * rms(pictures[0], truth, hidden_twice)


def test_without_a_clear_frame_the_hole_is_inpainted_and_nothing_else():
    _, current, truth = scene()
    picture, crop, _ = carry_detail(current, current.crop, Lent(()))
    visible = crop.apply_mask(current.mask) == 0
    np.testing.assert_array_equal(picture[visible], crop.apply(current.image)[visible])
    # The frame is black in the hole.
    assert picture[~visible].mean() > 0.5 * crop.apply(truth)[~visible].mean()


def test_the_frames_own_pixels_are_copied_and_not_resampled():
    past, current, truth = scene()
    # Neither its corner nor its side is a whole number of pixels.
    region = square(26.3, 27.4, SQUARE - 3.7)
    picture, place, _ = carry_detail(current, region, Lent((past,)))
    x, y = place.to_frame(np.zeros(2)).astype(int)
    assert (x, y, place.size) == (26, 27, 197)
    own = np.s_[y : y + 197, x : x + 197]
    visible = current.mask[own] == 0
    np.testing.assert_array_equal(picture[visible], truth[own][visible])


def test_the_region_may_be_larger_than_the_crop():
    past, current, truth = scene()
    crop = square(60, 60, 80)
    head = compose(crop.matrix, compose(invert(current.crop.matrix), current.similarity))
    small = replace(current, crop=crop, similarity=head)
    picture, region, _ = carry_detail(small, square(27, 27, SQUARE), Lent((past,)))
    assert region.size == SQUARE
    hole = region.apply_mask(current.mask) == 1
    assert rms(picture, region.apply(truth), hole) < 25


@pytest.mark.parametrize(("frame", "crop", "region", "expected"), [(900, 800, 900, 576), (32,) * 4])
def test_the_crop_has_its_own_pixels_up_to_a_limit(frame, crop, region, expected):
    """Of 800 pixels 512 are kept, in the crop and around it; a small frame is not enlarged."""
    image, mask = np.zeros((frame, frame, 3), np.uint8), np.zeros((frame, frame), np.uint8)
    crops = [
        CropTransform(np.array([[z, 0, z / 2 - 0.5], [0, z, z / 2 - 0.5]]), 32, (frame, frame))
        for z in (32 / crop, 32 / region)
    ]
    current = FrameInPlace(image, mask, crops[0], np.array([[6.0, 0, 16], [0, 6, 14]]))
    picture, place, _ = carry_detail(current, crops[1], Lent(()))
    assert place.size == expected == len(picture)


@pytest.mark.parametrize("model", [MODEL, 4 * MODEL])
def test_the_models_guide_is_the_mixture_and_in_the_hole_what_the_model_corrects(model):
    """A larger model's guide is made of the recording's own pixels."""
    past, current, truth = scene()
    past, current = (
        replace(
            one,
            crop=one.crop.resized(model),
            similarity=compose(scaling(model / MODEL), one.similarity),
        )
        for one in (past, current)
    )
    lent = Lent((past,), (past.reference(), past.reference()))
    detail = carry_detail(current, current.crop, lent)
    guide = past_guide(detail, current.crop)
    hole = current.crop.apply_mask(current.mask) == 1
    seen, shown = current.crop.apply(truth), detail.square.apply_inverse(detail.picture)
    inside = cv2.erode(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) == 1
    assert rms(guide, current.crop.apply(shown), inside) < 3
    assert rms(guide, seen, ~hole) < 12, "the past is right around it"
    # Nothing is known from hidden pixels.
    other = replace(current, image=np.where(current.mask[..., None] == 1, 200, current.image))
    np.testing.assert_array_equal(
        guide, past_guide(carry_detail(other, other.crop, lent), other.crop)
    )


def test_without_a_mixture_there_is_no_such_guide():
    past, current, _ = scene()
    with pytest.raises(ValueError, match="mixture"):
        past_guide(carry_detail(current, current.crop, Lent((past,))), current.crop)
