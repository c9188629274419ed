"""Masks from detections, and their clean-up in space and time."""

import numpy as np
import pytest
from tests.helpers.detectors import OCCLUDER, ByColour, disc_frames

from diffmvr.preprocessing.occlusion import (
    OccluderFinder,
    clean_mask,
    fill_short_gaps,
)

FRAME = disc_frames([(90, 70)], hidden={0})[0]
BAR = (FRAME == OCCLUDER).all(axis=2)


def disc(x: float, size: int = 64, radius: float = 10) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return ((columns - x) ** 2 + (rows - size / 2) ** 2 <= radius**2).astype(np.uint8)


def test_outlines_and_boxes() -> None:
    np.testing.assert_array_equal(OccluderFinder(ByColour(OCCLUDER)).find(FRAME), BAR)
    boxed = OccluderFinder(ByColour(OCCLUDER, outlines=False), "bbox").find(FRAME)
    rows, columns = np.nonzero(BAR)
    expected = np.zeros_like(BAR, np.uint8)
    expected[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
    np.testing.assert_array_equal(boxed, expected)


def test_nothing_found_is_an_empty_mask() -> None:
    clear = disc_frames([(90, 70)])[0]
    for kind in ("segmentation", "bbox"):
        assert not OccluderFinder(ByColour(OCCLUDER), kind).find(clear).any()


def test_outlines_need_a_detector_that_draws_them() -> None:
    finder = OccluderFinder(ByColour(OCCLUDER, outlines=False))
    with pytest.raises(ValueError, match=r"mask: segmentation needs .* use mask=bbox"):
        finder.find(FRAME)
    with pytest.raises(ValueError, match=r"mask: expected one of .*, got 'given'"):
        OccluderFinder(ByColour(OCCLUDER), "given")


def test_a_lost_mask_is_the_shape_between_its_neighbours() -> None:
    masks = np.stack([disc(20), disc(0) * 0, disc(0) * 0, disc(32)])
    filled = fill_short_gaps(masks, 2)

    for t, x in ((1, 24), (2, 28)):
        truth = disc(x)
        shared, either = (filled[t] & truth).sum(), (filled[t] | truth).sum()
        assert shared / either > 0.8
    np.testing.assert_array_equal(filled[[0, 3]], masks[[0, 3]])


def test_a_pixel_that_is_hidden_before_and_after_is_hidden_between() -> None:
    masks = np.ones((5, 4, 4), np.uint8)
    masks[2, 1, 1] = 0

    assert fill_short_gaps(masks, 1).all()
    np.testing.assert_array_equal(fill_short_gaps(masks, 0), masks)


def test_long_gaps_and_the_ends_stay_clear() -> None:
    masks = np.zeros((12, 8, 8), np.uint8)
    masks[[2, 8]] = 1

    np.testing.assert_array_equal(fill_short_gaps(masks, 3), masks)


def test_dilation_widens_by_so_many_pixels() -> None:
    mask = disc(32)
    wide = clean_mask(mask, 0, 4)

    assert wide.sum() == pytest.approx(np.pi * 14**2, rel=0.05)
    np.testing.assert_array_equal(clean_mask(mask, 0, 0), mask)


def test_closing_fills_cracks_and_keeps_the_outline() -> None:
    mask = disc(32, radius=20)
    cracked = mask.copy()
    cracked[31:33] = 0
    closed = clean_mask(cracked, 3, 0)

    assert closed[31:33, 20:44].all()
    assert (closed & ~mask.astype(bool)).sum() < 0.03 * mask.sum()


def test_closing_does_not_eat_the_mask_at_the_border() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[:, :5] = 1
    np.testing.assert_array_equal(clean_mask(mask, 4, 0), mask)


def test_an_empty_mask_stays_empty() -> None:
    assert not clean_mask(np.zeros((8, 8), np.uint8), 5, 5).any()
