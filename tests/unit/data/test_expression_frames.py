"""Clean frames with what the renderer knows of the face."""

import numpy as np
import pytest
import torch

from diffmvr.data.expression_frames import ExpressionFrames, stack_expression_frames
from diffmvr.data.sources import SyntheticClips
from diffmvr.data.synthetic import EXPRESSION_NAMES, STATES

SOURCE = SyntheticClips(subjects=2, clips_per_subject=1, num_frames=6)
NAMES = ("mouth_open", "brow_lower")
RANGES = ((0, 1), (-1, 1))


def test_every_other_clean_frame_with_its_truth() -> None:
    frames = ExpressionFrames(SOURCE, 2, NAMES, RANGES, STATES)
    # Clip 0 gives frames 0, 2, 4 and clip 1 frames 1, 3, 5.
    assert len(frames) == 6
    clip = SOURCE[1]
    np.testing.assert_array_equal(frames.images[4], clip.frames[3])
    columns = [EXPRESSION_NAMES.index(name) for name in NAMES]
    np.testing.assert_array_equal(frames[4].expression, clip.expression[3, columns])
    np.testing.assert_allclose(frames[4].similarity, clip.track.similarity[3], rtol=1e-6)
    assert STATES[int(frames[4].state)] == clip.state[3]


def test_frames_are_stacked() -> None:
    frames = ExpressionFrames(SOURCE, 3, NAMES, RANGES, STATES)
    batch = stack_expression_frames([frames[0], frames[1], frames[3]])
    assert batch.pixel_values.shape == (3, 3, 64, 64) and batch.pixel_values.abs().max() <= 1
    assert batch.similarity.shape == (3, 2, 3) and batch.expression.shape == (3, 2)
    assert batch.state.dtype == torch.int64 and batch.state.shape == (3,)


def test_what_the_renderer_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"names: expected one of .*'brow_lower'.* got 'tongue'"):
        ExpressionFrames(SOURCE, 2, ("tongue",), ((0, 1),), STATES)
    unknown = SOURCE[0].state[0]
    states = [state for state in STATES if state != unknown]
    with pytest.raises(ValueError, match=f"states: expected one of .* got '{unknown}'"):
        ExpressionFrames(SOURCE, 2, NAMES, RANGES, states)
    with pytest.raises(ValueError, match=r"mouth_open: expected values in \[5, 6\], got \["):
        ExpressionFrames(SOURCE, 2, NAMES, ((5, 6), (-1, 1)), STATES)
