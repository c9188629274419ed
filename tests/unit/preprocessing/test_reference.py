import numpy as np
import pytest

from diffmvr.preprocessing.reference import occluded_share, past_clear_index


def test_share_is_the_hidden_part_of_the_box():
    mask = np.zeros((3, 20, 30), np.uint8)
    mask[0, :, :15] = 1
    mask[1, 5:15, 10:20] = 1
    boxes = np.array([[10.0, 5, 19, 14]] * 3)
    np.testing.assert_allclose(occluded_share(mask, boxes), [0.5, 1.0, 0.0])


def test_a_pixel_belongs_to_the_box_by_its_centre():
    mask = np.zeros((1, 10, 10), np.uint8)
    mask[0, :, 3] = 1
    box = np.array([[2.6, 0.0, 4.4, 9.0]])
    np.testing.assert_allclose(occluded_share(mask, box), [0.5])
    np.testing.assert_allclose(occluded_share(mask, box + np.array([0.5, 0, 0, 0])), [0.0])


def test_only_the_part_of_the_box_in_the_frame_counts():
    mask = np.zeros((2, 10, 10), np.uint8)
    mask[:, :, :2] = 1
    boxes = np.array([[-100.0, 0, 3, 9], [-50.0, 0, -1, 9]])
    # A face that is not in the frame at all cannot be seen.
    np.testing.assert_allclose(occluded_share(mask, boxes), [0.5, 1.0])


def test_share_names_what_does_not_fit():
    with pytest.raises(ValueError, match=r"face_box: expected shape \(2, 4\), got \(3, 4\)"):
        occluded_share(np.zeros((2, 4, 4), np.uint8), np.zeros((3, 4)))


def test_the_most_recent_earlier_clear_frame():
    share = np.array([0.0, 0.3, 0.2, 0.0, 0.0, 0.4, 0.0])
    np.testing.assert_array_equal(past_clear_index(share), [-1, 0, 0, 0, 3, 4, 4])


def test_no_frame_is_its_own_past_and_the_threshold_is_inclusive():
    above = np.nextafter(0.005, 1)
    np.testing.assert_array_equal(past_clear_index(np.array([0.005, above, 0.9])), [-1, 0, 0])
    np.testing.assert_array_equal(past_clear_index(np.array([above, 0.9, 0.0])), [-1, -1, -1])
    assert past_clear_index(np.zeros(1)).dtype == np.int64
    assert past_clear_index(np.zeros(0)).shape == (0,)


def test_an_unknown_share_is_not_clear():
    np.testing.assert_array_equal(past_clear_index(np.array([np.nan, 0.0, 0.0])), [-1, -1, 1])


def test_threshold_must_be_a_share():
    with pytest.raises(ValueError, match=r"clear_threshold: expected a number in \[0, 1\], got 5"):
        past_clear_index(np.zeros(2), clear_threshold=5)
