"""Streams of frames and masks in small windows."""

import numpy as np
import pytest
from tests.helpers.recordings import FramesInMemory, MasksInMemory

from diffmvr.pipelines.windows import paired, windows


def frames(count: int) -> FramesInMemory:
    """Black frames of 4 × 4."""
    return FramesInMemory(np.zeros((count, 4, 4, 3), np.uint8))


def masks(count: int) -> MasksInMemory:
    """Empty masks of 4 × 4."""
    return MasksInMemory(np.zeros((count, 4, 4), np.uint8))


@pytest.mark.parametrize("size", [1, 3, 10, 16])
def test_every_frame_comes_once_and_in_order(size: int) -> None:
    lengths, order = [], []
    for window in windows(paired(frames(10), masks(10)), size):
        lengths.append(len(window))
        order += [frame.index for frame, _ in window]

    assert order == list(range(10))
    assert all(length == size for length in lengths[:-1])
    assert 1 <= lengths[-1] <= size


@pytest.mark.parametrize("size", [1, 4, 16])
def test_no_more_than_one_window_is_held(size: int) -> None:
    source = frames(100)
    for window in windows(paired(source, masks(100)), size):
        assert window

    # Two more: each reader on the way still names the frame that it handed over last.
    assert source.most_alive <= size + 2


def test_a_single_mask_fits_any_length() -> None:
    mask = np.ones((4, 4), np.uint8)

    pairs = list(paired(frames(7), MasksInMemory(mask)))

    assert len(pairs) == 7
    assert all(given is mask for _, given in pairs)


@pytest.mark.parametrize(("length", "count"), [(10, 8), (8, 10), (5, 0)])
def test_both_numbers_are_named_if_the_lengths_differ(length: int, count: int) -> None:
    message = rf"mask: masks has {count} masks but frames has {length} frames; give one mask for"
    with pytest.raises(ValueError, match=message):
        list(paired(frames(length), masks(count)))


def test_a_window_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match=r"window: expected a number in \[1, 10000\], got 0"):
        list(windows([], 0))
