"""Only hidden pixels change; the seam lies inside the hole."""

import cv2
import numpy as np
import pytest
from tests.helpers.recordings import box_masks, moving_frames

from diffmvr.pipelines.compositing import composite

OBSERVED = moving_frames(1, seed=1)[0]
RESTORED = moving_frames(1, seed=2)[0]
MASK = box_masks(6)[5]


def test_without_a_seam_it_is_a_plain_choice() -> None:
    expected = np.where(MASK[..., None] == 1, RESTORED, OBSERVED)

    np.testing.assert_array_equal(composite(RESTORED, OBSERVED, MASK), expected)


@pytest.mark.parametrize("feather", [0.0, 0.5, 3.0, 50.0])
def test_visible_pixels_never_change(feather: float) -> None:
    result = composite(RESTORED, OBSERVED, MASK, feather)

    np.testing.assert_array_equal(result[MASK == 0], OBSERVED[MASK == 0])
    assert (result[MASK == 1] != OBSERVED[MASK == 1]).any()


def test_the_seam_is_no_wider_than_asked() -> None:
    result = composite(RESTORED, OBSERVED, MASK, feather=4)

    depth = cv2.distanceTransform(MASK, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deep = depth >= 5
    assert deep.any()
    np.testing.assert_array_equal(result[deep], RESTORED[deep])
    assert (result != RESTORED)[(MASK == 1) & ~deep].any()


def test_the_occluder_never_shows_through_the_seam() -> None:
    occluded = OBSERVED.copy()
    occluded[MASK == 1] = (255, 0, 255)

    a = composite(RESTORED, OBSERVED, MASK, feather=6)
    b = composite(RESTORED, occluded, MASK, feather=6)

    np.testing.assert_array_equal(a[MASK == 1], b[MASK == 1])


def test_a_constant_error_of_colour_is_undone_at_the_rim() -> None:
    truth = np.full((40, 40, 3), 120, np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 1

    result = composite(truth + 40, truth, mask, feather=9)[20, :, 0].astype(int)

    # w = 1 - depth / 10 of the error of 40 is taken back.
    np.testing.assert_array_equal(result[10:20], 160 - 40 + 4 * np.arange(1, 11))


@pytest.mark.parametrize("value", [0, 1])
def test_all_or_nothing_hidden(value: int) -> None:
    mask = np.full_like(MASK, value)

    result = composite(RESTORED, OBSERVED, mask, feather=3)

    np.testing.assert_array_equal(result, RESTORED if value else OBSERVED)


def test_arguments_are_not_written_to() -> None:
    observed, restored = OBSERVED.copy(), RESTORED.copy()
    composite(restored, observed, MASK, 2.0)

    np.testing.assert_array_equal(observed, OBSERVED)
    np.testing.assert_array_equal(restored, RESTORED)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"restored and observed must have the same shape"):
        composite(RESTORED[:-1], OBSERVED, MASK)
    with pytest.raises(ValueError, match=r"mask: expected shape \(72, 96\), got \(72, 95\)"):
        composite(RESTORED, OBSERVED, MASK[:, :-1])


def test_a_negative_seam_is_refused() -> None:
    with pytest.raises(ValueError, match=r"feather: expected a number in \[0, inf\], got -1"):
        composite(RESTORED, OBSERVED, MASK, -1)
