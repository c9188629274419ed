import numpy as np

from diffmvr.preprocessing.sightings import REGION_SIZE, pack_mask, unpack_mask


def test_a_mask_is_unpacked_as_it_was() -> None:
    mask = np.random.default_rng(0).integers(0, 2, (REGION_SIZE, REGION_SIZE), np.uint8)
    packed = pack_mask(mask)
    assert packed is not None and packed.nbytes == mask.nbytes / 8
    np.testing.assert_array_equal(unpack_mask(packed), mask)


def test_an_empty_mask_takes_no_space() -> None:
    empty = np.zeros((REGION_SIZE, REGION_SIZE), np.uint8)
    assert pack_mask(empty) is None
    np.testing.assert_array_equal(unpack_mask(None), empty)
