"""The rendered benchmark as a source of clips."""

import numpy as np
import pytest

from diffmvr.data.sources import JoinedClips, SyntheticClips
from diffmvr.data.synthetic import render_clip

SMALL = {"subjects": 3, "clips_per_subject": 2, "num_frames": 5}


def test_people_are_known_without_rendering() -> None:
    source = SyntheticClips()
    assert len(source) == len(source.subject_ids) == 600
    assert len(set(source.subject_ids)) == 300
    assert source.subject_ids[:3] == ["00000", "00000", "00001"]


def test_a_clip_is_whose_it_says_and_the_same_on_every_run() -> None:
    source = SyntheticClips(**SMALL)
    clips = [source[index] for index in (2, 3, 2)]
    assert [clip.subject_id for clip in clips] == [source.subject_ids[i] for i in (2, 3, 2)]
    assert clips[0].clip_id == clips[2].clip_id != clips[1].clip_id
    np.testing.assert_array_equal(clips[0].observed, clips[2].observed)
    assert clips[0].observed.shape == (5, 64, 64, 3)


def test_another_seed_or_first_subject_is_other_people() -> None:
    here, seed, later = (
        SyntheticClips(**SMALL),
        SyntheticClips(seed=1, **SMALL),
        SyntheticClips(first_subject=2, **SMALL),
    )
    assert not np.array_equal(here[0].frames, seed[0].frames)
    assert later.subject_ids == ["00002", "00002", "00003", "00003", "00004", "00004"]
    np.testing.assert_array_equal(later[0].frames, here[4].frames)


def test_boxes_hide_at_least_what_outlines_hide() -> None:
    outlines, boxes = (
        SyntheticClips(**{**SMALL, "num_frames": 12}, mask_type=kind)
        for kind in ("segmentation", "bbox")
    )
    hidden = 0
    for index in range(len(outlines)):
        outline, box = outlines[index], boxes[index]
        np.testing.assert_array_equal(outline.observed, box.observed)
        assert (box.mask >= outline.mask).all()
        visible = box.mask == 0
        np.testing.assert_array_equal(box.frames[visible], box.observed[visible])
        hidden += int(box.mask.sum()) - int(outline.mask.sum())
    assert hidden > 0


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"subjects and clips_per_subject: .*got 0 and 2"):
        SyntheticClips(subjects=0)
    with pytest.raises(ValueError, match=r"mask_type: .*got 'circle'"):
        SyntheticClips(mask_type="circle")


def test_a_source_of_long_clips_renders_their_acts() -> None:
    source = SyntheticClips(subjects=1, clips_per_subject=1, num_frames=16, acts=2)
    np.testing.assert_array_equal(
        source[0].observed, render_clip(0, 0, 0, num_frames=16, acts=2).observed
    )
    assert not np.array_equal(source[0].observed, render_clip(0, 0, 0).observed)


def test_joined_sources_are_the_clips_of_each_and_keep_whom_one_keeps() -> None:
    few, later = SyntheticClips(**SMALL), SyntheticClips(seed=1, first_subject=7, **SMALL)
    later.test_people = ("00008",)
    joined = JoinedClips({"few": few, "later": later}, size=64)
    assert len(joined) == 12 and joined.subject_ids[5:8] == ["00002", "00007", "00007"]
    assert joined.test_people == ["00008"]
    assert joined.description == "3 rendered people, seed 0; 3 rendered people, seed 1"
    np.testing.assert_array_equal(joined[8].observed, later[2].observed)
    np.testing.assert_array_equal(joined[2].observed, few[2].observed)


def test_sources_that_cannot_be_joined_are_refused() -> None:
    first = SyntheticClips(**SMALL)
    with pytest.raises(ValueError, match=r"sources: a and b both have a person called '0000"):
        JoinedClips({"a": first, "b": SyntheticClips(seed=1, **SMALL)}, size=64)
    with pytest.raises(ValueError, match=r"expected at least one source"):
        JoinedClips({}, size=64)
    told = r'from a; set data\.source\.sources\.a\.size=128, with pretrain without "data\."$'
    with pytest.raises(ValueError, match=rf"got 64 x 64 {told}"):
        JoinedClips({"a": first}, size=128)[0]
