from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.tiny import TextureClips

from diffmvr.data.still_frames import choose_still_frames
from diffmvr.structures import Clip


class TwoClipsEach:
    """Six clips of four frames by three people."""

    def __init__(self) -> None:
        self._clips = TextureClips(6)
        self.subject_ids = ["a", "b", "c", "a", "b", "c"]
        self.test_people: tuple[str, ...] = ()
        self.description = "three people"

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Clip:
        return replace(self._clips[index], subject_id=self.subject_ids[index])


SOURCE = TwoClipsEach()
EVERY = range(6)


def owners(images: np.ndarray) -> list[str]:
    """Whose clip each image is from."""
    truth = {SOURCE.subject_ids[i]: [] for i in EVERY}
    for i in EVERY:
        truth[SOURCE.subject_ids[i]] += [frame.tobytes() for frame in SOURCE[i].frames]
    return [next(who for who in truth if image.tobytes() in truth[who]) for image in images]


def test_one_image_of_each_of_some_people() -> None:
    chosen = choose_still_frames(SOURCE, EVERY, subjects=2, frames=2)
    assert len(chosen.subjects) == 2
    assert owners(chosen.images) == list(chosen.subjects)
    assert chosen.images.dtype == np.uint8 and chosen.images.shape[1:] == SOURCE[0].frames.shape[1:]


def test_frames_are_shared_out_evenly_and_spread_over_the_clips() -> None:
    chosen = choose_still_frames(SOURCE, EVERY, frames=7)
    counts = [owners(chosen.images).count(who) for who in chosen.subjects]
    assert counts == [3, 2, 2]
    first = [i for i in EVERY if SOURCE.subject_ids[i] == chosen.subjects[0]]
    clips = [{frame.tobytes() for frame in SOURCE[i].frames} for i in first]
    assert all(any(image.tobytes() in clip for image in chosen.images) for clip in clips)


def test_every_frame_of_everyone_without_limits() -> None:
    assert len(choose_still_frames(SOURCE, EVERY).images) == 6 * 4
    assert len(choose_still_frames(SOURCE, EVERY, frames=1000).images) == 6 * 4


def test_people_are_drawn_by_the_seed_among_those_allowed() -> None:
    drawn = {choose_still_frames(SOURCE, EVERY, 1, 1, seed=s).subjects[0] for s in range(12)}
    assert drawn == {"a", "b", "c"}
    again = [choose_still_frames(SOURCE, EVERY, 1, 1, seed=3) for _ in range(2)]
    np.testing.assert_array_equal(again[0].images, again[1].images)
    only = {choose_still_frames(SOURCE, [0, 3], 1, 1, seed=s).subjects[0] for s in range(6)}
    assert only == {"a"}


def test_every_mask_hides_something() -> None:
    masks = choose_still_frames(SOURCE, EVERY, subjects=1, frames=1).masks
    # Both clips of the person, but for their first frames, which are clear.
    assert masks.shape[0] == 2 * 3 and masks.any(axis=(1, 2)).all()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"subjects: expected 1 to 3, .* got 4"):
        choose_still_frames(SOURCE, EVERY, subjects=4)
    with pytest.raises(ValueError, match=r"frames: .* each of the 3 subjects, got 2"):
        choose_still_frames(SOURCE, EVERY, subjects=3, frames=2)

    class Changed(TwoClipsEach):
        def __init__(self, **changes: object) -> None:
            super().__init__()
            self.changes = changes

        def __getitem__(self, index: int) -> Clip:
            return replace(super().__getitem__(index), **self.changes)

    with pytest.raises(ValueError, match=r"clip moving-\d: training needs frames whose truth"):
        choose_still_frames(Changed(frames=None), EVERY)
    with pytest.raises(ValueError, match=r"source: nothing is hidden in the clips of 3 people"):
        choose_still_frames(Changed(mask=np.zeros_like(SOURCE[0].mask)), EVERY)
