import numpy as np

from diffmvr.preprocessing.crop import square_region
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.lead_frames import LEAD_SIZE, LeadFrame


def test_a_large_frame_is_kept_small_and_shows_the_same_region() -> None:
    rows, columns = np.mgrid[:720, :960]
    image = np.stack([rows % 256, columns / 4, rows / 4], axis=-1).astype(np.uint8)
    lead = LeadFrame.reduced(Frame(5, 5, 1, image), None, 0.2)
    assert max(lead.image.shape) == LEAD_SIZE and lead.frame_size == (720, 960)
    region = square_region(np.array([500.0, 300.0]), 320.0, 80, (720, 960))

    there, here = region.apply(image), lead.crop_of(region).apply(lead.image)

    np.testing.assert_allclose(here[..., 1:].astype(int), there[..., 1:], atol=2)


def test_a_small_frame_is_kept_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    mask = (image[..., 0] > 99).astype(np.uint8)
    lead = LeadFrame.reduced(Frame(0, 0, 1, image), mask, 0.0)
    assert np.array_equal(lead.image, image) and np.array_equal(lead.mask, mask)
