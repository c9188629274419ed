"""Where the model is applied: every hidden pixel is in its crop."""

import numpy as np
import pytest

from diffmvr.preprocessing.crop import CropTransform, square_crops
from diffmvr.preprocessing.face import track_from_boxes
from diffmvr.restoration.paste_back import footprint
from diffmvr.restoration.regions import boxes_around_holes, cover_holes, crop_box, hole_box

HEIGHT, WIDTH = 120, 160
NONE = np.full(4, np.nan)


def face_crops(count: int) -> tuple[CropTransform, ...]:
    """Crops around a face of 40 × 40 pixels in the middle."""
    boxes = np.tile([60.0, 40.0, 100.0, 80.0], (count, 1))
    return square_crops(track_from_boxes(boxes), (HEIGHT, WIDTH), 32)


def test_the_hole_box_holds_the_hidden_pixels() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert np.isnan(hole_box(mask)).all()
    mask[10, 20] = mask[30, 25] = 1
    np.testing.assert_array_equal(hole_box(mask), [19.5, 9.5, 25.5, 30.5])


def test_crops_that_hold_their_holes_stay() -> None:
    crops = face_crops(5)
    holes = np.stack([NONE, *[np.array([70, 50, 90, 70.0])] * 3, NONE])

    assert cover_holes(crops, holes) == crops


@pytest.mark.parametrize("seed", range(5))
def test_every_hidden_pixel_is_covered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.zeros((20, HEIGHT, WIDTH), np.uint8)
    for mask in masks[rng.random(20) < 0.6]:
        (x0, x1), (y0, y1) = np.sort(rng.integers(0, WIDTH, 2)), np.sort(rng.integers(0, HEIGHT, 2))
        mask[y0 : y1 + 1, x0 : x1 + 1] = 1
    holes = np.stack([hole_box(mask) for mask in masks])

    for crop, mask in zip(cover_holes(face_crops(20), holes), masks, strict=True):
        x0, y0, x1, y1 = footprint(crop)
        assert mask[y0:y1, x0:x1].sum() == mask.sum()


def test_the_crop_stays_in_the_frame_where_it_can() -> None:
    holes = np.stack([np.array([-0.5, 50, 20, 60.0])] * 3)

    for crop in cover_holes(face_crops(3), holes):
        x0, y0, x1, y1 = crop_box(crop)
        assert x1 - x0 == pytest.approx(y1 - y0)
        assert x0 >= -0.5 - 1e-9 and x1 <= WIDTH - 0.5 + 1e-9
        assert y0 >= -0.5 - 1e-9 and y1 <= HEIGHT - 0.5 + 1e-9


def test_the_crop_grows_before_the_occluder_comes() -> None:
    holes = np.full((30, 4), np.nan)
    holes[15:] = [70, 50, 90, 119.5]

    sides = np.array(
        [np.ptp(crop_box(crop)[[0, 2]]) for crop in cover_holes(face_crops(30), holes)]
    )

    assert sides[4] == pytest.approx(64)
    assert sides[15] == pytest.approx(sides[29])
    steps = np.abs(np.diff(sides))
    assert steps.max() < 0.2 * (sides[29] - sides[0])


def test_without_a_face_the_crop_is_twice_the_hole() -> None:
    holes = np.stack([NONE, np.array([50, 40, 80, 60.0]), NONE])
    boxes = boxes_around_holes(holes, crop_scale=1.6)
    assert np.isnan(boxes[[0, 2]]).all()

    crops = square_crops(track_from_boxes(boxes), (HEIGHT, WIDTH), 32, scale=1.6)

    assert len(crops) == 3
    for crop in crops:
        x0, y0, x1, y1 = crop_box(crop)
        assert (x1 - x0, (x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((60, 65, 50))
