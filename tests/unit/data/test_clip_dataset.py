"""Windows of consecutive frames of one clip, with guides found on the whole clip."""

import numpy as np
import pytest
from tests.helpers.tiny import TextureClips

from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip, Guides


class Counting:
    """A guide builder that writes down which clips it saw."""

    kinds = ("past",)

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self._builder = AutomaticGuides(self.kinds, align_past="none")

    def __call__(self, clip: Clip) -> Guides:
        self.seen.append((clip.clip_id, len(clip)))
        return self._builder(clip)


def dataset(frames: int = 7, clips: int = 3, **changes: object) -> ClipDataset:
    arguments = {"guide_builder": AutomaticGuides(("past",), align_past="none"), "window": 3}
    return ClipDataset(TextureClips(clips, frames), range(clips), **{**arguments, **changes})


def test_windows_are_consecutive_frames_of_one_clip() -> None:
    source, windows = TextureClips(3, 7), dataset()
    assert len(windows) == 3 * (7 // 3)
    starts = set()
    for item in range(len(windows)):
        clip, guides = windows[item]
        assert len(clip) == len(guides.valid) == 3
        np.testing.assert_array_equal(np.diff(clip.frame_index), 1)
        start = int(clip.frame_index[0])
        whole = source[source.subject_ids.index(clip.subject_id)]
        np.testing.assert_array_equal(clip.observed, whole.observed[start : start + 3])
        np.testing.assert_array_equal(clip.mask, whole.mask[start : start + 3])
        assert clip.subject_id == windows.subject_ids[item]
        starts.add((clip.clip_id, start))
    assert len(starts) == len(windows), "no window twice"


def test_guides_come_from_the_whole_clip() -> None:
    builder = Counting()
    windows = dataset(guide_builder=builder)
    clip, guides = windows[1]  # frames 3, 4, 5: all hidden; the past frame 0 is before them
    assert clip.frame_index[0] == 3
    assert guides.valid.all() and (guides.past_index == 0).all()
    whole = TextureClips(3, 7)[0]
    np.testing.assert_array_equal(guides.images[0, 0], whole.observed[0])
    assert {length for _, length in builder.seen} == {7}


def test_whole_clips() -> None:
    windows = dataset(window=None)
    assert len(windows) == 3 and len(windows[0][0]) == 7


def test_windows_without_a_hole_are_left_out() -> None:
    # The occluder arrives at frame 1, so windows of one frame lose the first.
    assert len(dataset(window=1)) == 21
    hidden = dataset(window=1, require_hole=True)
    assert len(hidden) == 18
    assert all(hidden[item][0].mask.any() for item in range(len(hidden)))


@pytest.mark.parametrize("keep", [True, False])
def test_clips_are_read_once_if_they_are_kept(keep: bool) -> None:
    builder = Counting()
    windows = dataset(guide_builder=builder, keep=keep)
    read = len(builder.seen)
    for item in range(len(windows)):
        windows[item]
    assert len(builder.seen) - read == (0 if keep else len(windows))


def test_no_window_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no window of 9 frames in 3 clips"):
        dataset(window=9)
