"""Single frames with captions."""

import numpy as np
import torch

from diffmvr.data.frames import FrameDataset, stack_frames
from diffmvr.data.sources import SyntheticClips

SOURCE = SyntheticClips(subjects=2, clips_per_subject=1, num_frames=6)


def test_every_other_frame_in_every_view() -> None:
    frames = FrameDataset(SOURCE, stride=2)
    # Clip 0 gives frames 0, 2, 4 and clip 1 frames 1, 3, 5, three views of each.
    assert len(frames) == len(frames.captions) == 2 * 3 * 3
    clip = SOURCE[1]
    np.testing.assert_array_equal(frames.images[9], clip.frames[1])
    np.testing.assert_array_equal(frames.images[10], clip.observed[1])
    hidden = clip.mask[5] > 0
    assert hidden.any() and (frames.images[17][hidden] == 128).all()
    np.testing.assert_array_equal(frames.images[17][~hidden], clip.frames[5][~hidden])
    assert frames.captions[9] == clip.clean_caption[1]
    assert frames.captions[10] == clip.caption[1]


def test_views_are_chosen() -> None:
    frames = FrameDataset(SOURCE, stride=3, views=("observed",))
    assert len(frames) == 4
    np.testing.assert_array_equal(frames.images[0], SOURCE[0].observed[0])


def test_frames_are_stacked() -> None:
    frames = FrameDataset(SOURCE, stride=3, views=("clean",))
    images, captions = stack_frames([frames[0], frames[1]])
    assert images.shape == (2, 3, 64, 64) and images.dtype == torch.float32
    assert images.abs().max() <= 1 and captions == frames.captions[:2]
