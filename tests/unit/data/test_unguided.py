import numpy as np
from tests.helpers.clips import moving_clip

from diffmvr.data.unguided import NoGuides
from diffmvr.structures import collate_clips, window_of


def test_a_batch_without_guides_is_whole() -> None:
    clip = moving_clip(frames=5, size=16, shift=1)
    guides = NoGuides()(clip)
    assert guides.images.shape == (5, 0, 16, 16, 3) and (guides.past_index == -1).all()
    batch = collate_clips([window_of(clip, guides, 1, 3), window_of(clip, guides, 3, 5)])
    assert batch.pixel_values.shape == (2, 2, 3, 16, 16)
    assert batch.guide_pixel_values.shape == (2, 2, 0, 3, 16, 16)
    np.testing.assert_array_equal(batch.mask[1, :, 0].numpy(), clip.mask[3:])
