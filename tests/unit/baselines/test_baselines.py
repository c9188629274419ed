from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.helpers.clips import OCCLUDER, moving_clip

from diffmvr.baselines import RESTORERS, PastFrame, get_restorer
from diffmvr.structures import Clip, UInt8Array

FILLERS = [name for name in RESTORERS if name != "occluded"]


def hole_error(restored: UInt8Array, clip: Clip) -> float:
    """Mean absolute error over the hidden pixels, in grey levels."""
    hidden = clip.mask == 1
    return float(np.abs(restored[hidden].astype(float) - clip.frames[hidden]).mean())


@pytest.mark.parametrize("name", RESTORERS)
def test_visible_pixels_are_untouched_and_names_agree(name: str) -> None:
    clip, restorer = moving_clip(), get_restorer(name)
    before = clip.observed.copy()
    restored = restorer.restore(clip)
    assert restorer.name == name
    assert restored.dtype == np.uint8 and restored.shape == clip.observed.shape
    visible = clip.mask == 0
    np.testing.assert_array_equal(restored[visible], clip.observed[visible])
    np.testing.assert_array_equal(clip.observed, before)


@pytest.mark.parametrize("name", RESTORERS)
def test_the_ground_truth_is_never_read(name: str) -> None:
    clip = moving_clip()
    restored = get_restorer(name).restore(clip)
    without = get_restorer(name).restore(replace(clip, frames=None))
    np.testing.assert_array_equal(restored, without)
    misled = get_restorer(name).restore(replace(clip, frames=255 - clip.frames))
    np.testing.assert_array_equal(restored, misled)


@pytest.mark.parametrize("name", FILLERS)
def test_what_the_occluder_looks_like_does_not_matter(name: str) -> None:
    clip = moving_clip()
    noise = np.random.default_rng(0).integers(0, 256, clip.observed.shape, dtype=np.uint8)
    other = replace(clip, observed=np.where(clip.mask[..., None] == 1, noise, clip.observed))
    np.testing.assert_array_equal(
        get_restorer(name).restore(clip), get_restorer(name).restore(other)
    )


@pytest.mark.parametrize("name", RESTORERS)
def test_a_restorer_repeats_itself(name: str) -> None:
    clip = moving_clip()
    first, second = (get_restorer(name).restore(clip) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", FILLERS)
def test_no_occluder_remains_even_if_all_is_hidden(name: str) -> None:
    clip = moving_clip()
    mask = clip.mask.copy()
    mask[4] = 1
    observed = np.where(mask[..., None] == 1, np.uint8(OCCLUDER), clip.frames)
    restored = get_restorer(name).restore(replace(clip, mask=mask, observed=observed))
    assert not (restored[4] == OCCLUDER).all(axis=-1).any()


@pytest.mark.parametrize(
    ("name", "method"), [("telea", cv2.INPAINT_TELEA), ("navier_stokes", cv2.INPAINT_NS)]
)
def test_inpainting_is_opencvs(name: str, method: int) -> None:
    clip = moving_clip()
    restored = get_restorer(name).restore(clip)
    for t in range(len(clip)):
        expected = cv2.inpaint(clip.observed[t], clip.mask[t], 3.0, method)
        np.testing.assert_array_equal(restored[t], expected)


def test_copy_past_is_the_last_clear_frame_as_it_is() -> None:
    clip = moving_clip(arrival=2)
    restored = get_restorer("copy_past").restore(clip)
    for t in range(2, len(clip)):
        hidden = clip.mask[t] == 1
        np.testing.assert_array_equal(restored[t][hidden], clip.frames[1][hidden])


def test_the_aligned_past_frame_undoes_the_heads_motion() -> None:
    clip = moving_clip()
    assert hole_error(get_restorer("copy_past_aligned").restore(clip), clip) == 0.0
    assert hole_error(get_restorer("copy_past").restore(clip), clip) > 5.0


def test_flow_finds_the_motion_that_the_track_does_not_know() -> None:
    clip = moving_clip(size=64, shift=1)
    still = np.tile(np.eye(2, 3), (len(clip), 1, 1))
    blind = replace(clip, track=replace(clip.track, similarity=still))
    flow = hole_error(get_restorer("flow").restore(blind), blind)
    assert flow < 0.5 * hole_error(get_restorer("copy_past_aligned").restore(blind), blind)


def test_the_mirror_restores_a_symmetric_scene_exactly() -> None:
    clip = moving_clip(shift=1)
    assert hole_error(get_restorer("mirror").restore(clip), clip) == 0.0


def test_hidden_on_both_sides_the_mirror_falls_back_to_telea() -> None:
    clip = moving_clip(shift=0)
    mask = clip.mask | clip.mask[:, :, ::-1]
    observed = np.where(mask[..., None] == 1, np.uint8(OCCLUDER), clip.frames)
    both = replace(clip, mask=mask, observed=observed)
    np.testing.assert_array_equal(
        get_restorer("mirror").restore(both), get_restorer("telea").restore(both)
    )


@pytest.mark.parametrize("name", ["copy_past", "copy_past_aligned", "flow"])
def test_without_a_clear_past_frame_telea_steps_in(name: str) -> None:
    clip = moving_clip(arrival=0)
    np.testing.assert_array_equal(
        get_restorer(name).restore(clip), get_restorer("telea").restore(clip)
    )


def test_the_threshold_decides_what_is_a_clear_frame() -> None:
    clip = moving_clip(arrival=0)
    lenient = PastFrame("none", clear_threshold=1.0).restore(clip)
    hidden_now_only = (clip.mask[3] == 1) & (clip.mask[2] == 0)
    assert not hidden_now_only.any()
    # Frame 2 counts as clear, but its own hole is the same: all of it is left to Telea.
    np.testing.assert_array_equal(lenient, get_restorer("telea").restore(clip))


@pytest.mark.parametrize("name", RESTORERS)
def test_a_clip_without_a_hole_is_returned_as_it_is(name: str) -> None:
    clip = moving_clip()
    clear = replace(clip, observed=clip.frames, mask=np.zeros_like(clip.mask))
    restored = get_restorer(name).restore(clear)
    np.testing.assert_array_equal(restored, clear.observed)
    assert not np.shares_memory(restored, clear.observed)


def test_an_unknown_restorer_is_named() -> None:
    with pytest.raises(ValueError, match=r"restorer: expected one of \['occluded', .*got 'lama'"):
        get_restorer("lama")
    with pytest.raises(ValueError, match=r"alignment: expected one of .*got 'warp'"):
        PastFrame("warp")
