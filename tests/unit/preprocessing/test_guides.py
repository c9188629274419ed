import pickle
from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.clips import moving_clip

from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip, PastSelection, join_clips

GREY = 128


def window(clip: Clip, frames: slice) -> Clip:
    return replace(
        clip,
        observed=clip.observed[frames],
        mask=clip.mask[frames],
        frames=None,
        track=clip.track[frames],
        frame_index=clip.frame_index[frames],
    )


def test_order_shape_and_index():
    clip = moving_clip()
    guides = AutomaticGuides(("present", "past", "symmetric"), align_past="similarity")(clip)
    assert guides.images.shape == (6, 3, 48, 48, 3)
    assert guides.images.dtype == np.uint8
    np.testing.assert_array_equal(guides.past_index, [-1, 0, 1, 1, 1, 1])
    expected = np.ones((6, 3), bool)
    expected[0, 1] = False
    np.testing.assert_array_equal(guides.valid, expected)
    assert (guides.images[0, 1] == GREY).all()


def test_the_mirror_shows_the_hidden_half():
    clip = moving_clip()
    guides = AutomaticGuides(("symmetric",))(clip)
    hole = clip.mask[3] == 1
    np.testing.assert_array_equal(guides.images[3, 0][hole], clip.frames[3][hole])


@pytest.mark.parametrize("align", ["similarity", "flow", "layers"])
def test_the_past_frame_is_laid_over_the_current_one(align):
    clip = moving_clip()
    guides = AutomaticGuides(("past",), align_past=align)(clip)
    hole = clip.mask[5] == 1
    gap = np.abs(guides.images[5, 0].astype(int) - clip.frames[5])[hole]
    assert gap.mean() < (0.01 if align == "similarity" else 1.5)


def corner_hidden_clip() -> Clip:
    """A moving clip with a small face; frame 1, its last clear one, has a corner covered."""
    clip = moving_clip()
    mask = clip.mask.copy()
    mask[1, :8, :8] = 1
    face_box = np.tile([12.0, 12.0, 36.0, 36.0], (len(clip), 1))
    observed = np.where(mask[..., None] == 1, np.uint8(0), clip.frames)
    return replace(clip, mask=mask, observed=observed, track=replace(clip.track, face_box=face_box))


CORNER = np.s_[:6, 10:14]  # where the covered corner has moved to by frame 5


def corner_hidden_twice() -> Clip:
    clip = corner_hidden_clip()
    clip.mask[5][CORNER] = 1
    clip.observed[5][CORNER] = 0
    return clip


def test_what_the_past_frame_hides_beside_the_face_comes_from_the_clear_one_before():
    clip = corner_hidden_twice()
    layered = AutomaticGuides(("past",))(clip)
    plain = AutomaticGuides(("past",), align_past="flow")(clip)
    assert layered.past_index[5] == plain.past_index[5] == 1
    assert (plain.images[5, 0][CORNER] == GREY).all()
    gap = np.abs(layered.images[5, 0].astype(int) - clip.frames[5])[CORNER]
    assert gap.mean() < 10.0


def test_what_no_frame_shows_is_inpainted_from_its_rim():
    clip = corner_hidden_twice()
    without_the_first = window(clip, slice(1, 6))
    guide = AutomaticGuides(("past",))(without_the_first).images[4, 0]
    assert (guide[CORNER] != GREY).any(axis=-1).all()
    rim = clip.frames[5][:9, 7:17]
    assert rim.min() <= guide[CORNER].min() and guide[CORNER].max() <= rim.max()


def test_the_last_clear_frame_stands_for_all_before_it():
    clip = corner_hidden_clip()
    builder = AutomaticGuides(("symmetric", "past"))
    whole = builder(clip)
    _, carried = builder.with_references(window(clip, slice(0, 3)))
    assert carried is not None and carried.frame_index[0] == 1
    rest = window(clip, slice(3, 6))
    joined = join_clips(carried, rest)
    np.testing.assert_array_equal(builder(joined).images[1:], whole.images[3:])


def test_there_may_be_no_clear_frame():
    clip = moving_clip()
    hidden = replace(clip, mask=np.ones_like(clip.mask))
    assert AutomaticGuides().with_references(hidden)[1] is None


def test_an_unaligned_past_frame_is_that_frame():
    clip = moving_clip()
    guides = AutomaticGuides(("past",), align_past="none")(clip)
    np.testing.assert_array_equal(guides.images[5, 0], clip.observed[1])


def test_the_present_guide_is_the_masked_frame():
    clip = moving_clip()
    image = AutomaticGuides(("present",))(clip).images[3, 0]
    hole = clip.mask[3] == 1
    assert (image[hole] == GREY).all()
    np.testing.assert_array_equal(image[~hole], clip.observed[3][~hole])


@pytest.mark.parametrize("align", ["layers", "flow", "similarity", "none"])
def test_guides_do_not_look_at_the_truth_or_under_the_mask(align):
    clip = moving_clip()
    builder = AutomaticGuides(("symmetric", "past", "present"), align_past=align)
    guides = builder(clip)
    for other in (
        replace(clip, frames=255 - clip.frames),
        replace(clip, frames=None),
        replace(clip, observed=np.where(clip.mask[..., None] == 1, np.uint8(0), clip.observed)),
    ):
        np.testing.assert_array_equal(builder(other).images, guides.images)
        np.testing.assert_array_equal(builder(other).valid, guides.valid)


def test_a_mirror_that_shows_nothing_of_the_hole_is_not_valid():
    clip = moving_clip()
    mask = np.zeros_like(clip.mask)
    mask[3] = 1
    mask[3, :6] = 0  # what is visible mirrors onto itself only
    guides = AutomaticGuides(("symmetric",))(clip.with_mask(mask))
    np.testing.assert_array_equal(guides.valid[:, 0], [True, True, True, False, True, True])


def test_a_clip_that_is_occluded_from_the_start_has_no_past():
    guides = AutomaticGuides(("past",))(moving_clip(arrival=0))
    assert (guides.past_index == -1).all()
    assert not guides.valid.any()
    assert (guides.images == GREY).all()


def test_the_clear_threshold_decides():
    clip = moving_clip(arrival=0)
    assert (AutomaticGuides(("past",), clear_threshold=1.0)(clip).past_index[1:] >= 0).all()


def test_the_builder_travels_to_worker_processes():
    builder = pickle.loads(pickle.dumps(AutomaticGuides(("past",), 0.01, "none")))
    assert (builder.kinds, builder.clear_threshold, builder.align_past) == (("past",), 0.01, "none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ["future"]}, r"kinds: expected one of .*'past'.*, got 'future'"),
        ({"kinds": []}, r"kinds: expected one or more different guides, got \[\]"),
        ({"kinds": ["past", "past"]}, r"different guides, got \['past', 'past'\]"),
        ({"align_past": "warp"}, r"align_past: expected one of .*'flow'.*, got 'warp'"),
        ({"clear_threshold": 2.0}, r"clear_threshold: expected a number in \[0, 1\], got 2.0"),
    ],
)
def test_wrong_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AutomaticGuides(**arguments)


def changing_clip() -> Clip:
    """A clip with clear frames that differ, two coverings, and an arm beside a clear face."""
    clip = moving_clip(frames=14, shift=1, arrival=5)
    other = moving_clip(frames=14, shift=1, arrival=5, seed=1).frames
    share = np.array([0, 1, 2, 3, 4, 3, 2, 1, 1, 4, 0, 1, 2, 3])[:, None, None, None] / 4
    frames = np.rint((1 - share) * clip.frames + share * other).astype(np.uint8)
    mask = clip.mask.copy()
    mask[8:10] = 0
    observed = np.where(mask[..., None] == 1, np.uint8(0), frames)
    return replace(clip, frames=frames, mask=mask, observed=observed)


def test_a_bank_of_one_is_the_latest_frame_bit_for_bit():
    clip = changing_clip()
    recent = AutomaticGuides(("past", "symmetric"))(clip)
    bank = AutomaticGuides(("past", "symmetric"), past=PastSelection("bank", size=1))(clip)
    np.testing.assert_array_equal(bank.images, recent.images)
    np.testing.assert_array_equal(bank.valid, recent.valid)
    assert bank.references[6] == {4: 1.0}
    assert not recent.references


def test_a_bank_beats_the_latest_frame_where_the_face_has_changed():
    clip = changing_clip()
    hole = clip.mask == 1
    errors = {}
    for select in ("recent", "matched", "bank"):
        guides = AutomaticGuides(("past",), past=PastSelection(select))(clip)
        difference = guides.images[:, 0].astype(float) - clip.frames
        errors[select] = float((difference[hole] ** 2).mean())
    assert errors["bank"] < 0.5 * errors["recent"]
    assert errors["matched"] < errors["recent"]


def test_a_bank_is_independent_of_window_borders():
    clip, builder = changing_clip(), AutomaticGuides(past=PastSelection("bank", size=3))
    whole = builder(clip)
    carried = None
    for first in range(0, 14, 4):
        part = window(clip, slice(first, first + 4))
        joined = part if carried is None else join_clips(carried, part)
        guides, after = builder.with_references(joined)
        before = len(joined) - len(part)
        np.testing.assert_array_equal(guides.images[before:], whole.images[first : first + 4])
        np.testing.assert_array_equal(guides.valid[before:], whole.valid[first : first + 4])
        for t in range(len(part)):
            assert guides.references.get(before + t) == whole.references.get(first + t)
        # What is carried over is what is found without looking for guides.
        np.testing.assert_array_equal(builder.references(joined).frame_index, after.frame_index)
        carried = after
    assert len(carried) == 3


def test_both_sides_see_later_frames_and_never_the_frame_itself():
    clip = changing_clip()
    guides = AutomaticGuides(("past",), past=PastSelection("bank", "both"))(clip)
    assert any(later > 6 for later in guides.references[6])
    assert all(t not in weights for t, weights in guides.references.items())
    # Nothing before it, but later frames.
    hidden_first = window(clip, slice(5, 14))
    assert AutomaticGuides(("past",), past=PastSelection("bank", "both"))(hidden_first).valid[0, 0]
    assert not AutomaticGuides(("past",), past=PastSelection("bank"))(hidden_first).valid[0, 0]


@pytest.mark.parametrize(
    ("past", "message"),
    [
        ({"select": "best"}, r"past\.select: .*'best'"),
        ({"reach": "both"}, r"past\.reach: .*set select=bank"),
        ({"select": "bank", "size": "many"}, r"past\.size: expected a whole number, got 'many'"),
        ({"select": "bank", "size": 0}, r"past\.size: expected a number in \[1, 1000\]"),
    ],
)
def test_selections_that_cannot_be_are_refused(past, message):
    with pytest.raises(ValueError, match=message):
        AutomaticGuides(past=past)


def test_a_mixture_is_carried_in_layers():
    with pytest.raises(ValueError, match=r"set align_past=layers or past\.select=recent"):
        AutomaticGuides(align_past="flow", past=PastSelection("bank"))
