"""DiffMVR on crops: as one restorer among others, whose guides lead it, what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.clips import moving_clip
from tests.helpers.tiny import build_tiny, tiny_clip
from tests.unit.restoration.test_recording import FRAMES, GuidePasser

from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip, Guides

GUIDES = AutomaticGuides(align_past="similarity")


@pytest.fixture(scope="module")
def pipeline(frozen_parts: Path) -> DiffMVRPipeline:
    return DiffMVRPipeline.from_components(build_tiny(frozen_parts, GuideSettings(pathway="both")))


def restorer(pipeline: DiffMVRPipeline, **changes: object) -> CropRestorer:
    return CropRestorer(pipeline, GUIDES, **{"num_inference_steps": 2, **changes})


def test_only_hidden_pixels_change(pipeline: DiffMVRPipeline) -> None:
    clip = tiny_clip(frames=5, arrival=2)
    before = clip.observed.copy()
    restored = restorer(pipeline).restore(clip)
    assert restored.dtype == np.uint8 and restored.shape == clip.observed.shape
    visible = clip.mask == 0
    np.testing.assert_array_equal(restored[visible], clip.observed[visible])
    assert (restored[~visible] != clip.observed[~visible]).mean() > 0.5
    np.testing.assert_array_equal(clip.observed, before)


def test_neither_the_truth_nor_the_occluder_is_seen(pipeline: DiffMVRPipeline) -> None:
    clip = tiny_clip()
    expected = restorer(pipeline).restore(clip)
    blind = replace(clip, frames=None)
    np.testing.assert_array_equal(expected, restorer(pipeline).restore(blind))
    noise = np.random.default_rng(0).integers(0, 256, clip.observed.shape, dtype=np.uint8)
    other = replace(clip, observed=np.where(clip.mask[..., None] > 0, noise, clip.observed))
    np.testing.assert_array_equal(expected, restorer(pipeline).restore(other))


def test_how_frames_are_batched_does_not_matter(pipeline: DiffMVRPipeline) -> None:
    clip = tiny_clip(frames=6)
    whole, small = (restorer(pipeline, batch_size=size).restore(clip) for size in (16, 2))
    # Sums in another order may round a grey level differently.
    assert np.abs(whole.astype(int) - small).max() <= 1


def test_the_seed_decides(pipeline: DiffMVRPipeline) -> None:
    clip = tiny_clip()
    first, again, other = (restorer(pipeline, seed=s).restore(clip) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_clip_with_nothing_hidden_comes_back(pipeline: DiffMVRPipeline) -> None:
    clip = tiny_clip()
    clear = replace(clip, mask=np.zeros_like(clip.mask))
    np.testing.assert_array_equal(restorer(pipeline).restore(clear), clear.observed)


def test_what_does_not_fit_is_named(pipeline: DiffMVRPipeline) -> None:
    with pytest.raises(
        ValueError, match=r"guide_builder: .*\('symmetric', 'past'\), got \('past',\)"
    ):
        CropRestorer(pipeline, AutomaticGuides(("past",)))
    with pytest.raises(ValueError, match=r"clip moving-0: .*32 × 32 frames, got 48 × 48"):
        restorer(pipeline).restore(moving_clip(size=48))


def test_a_model_that_draws_no_numbers_names_the_frame(frozen_parts: Path) -> None:
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    with torch.no_grad():
        components.unet.conv_out.bias.fill_(torch.inf)
    broken, clip = DiffMVRPipeline.from_components(components), tiny_clip(frames=5, arrival=2)
    first = clip.frame_index[np.flatnonzero(clip.mask.any(axis=(1, 2)))[0]]
    told = rf": expected finite pixels from the model, .* values of frame {first} infinite"
    with pytest.raises(ValueError, match=rf"clip {clip.clip_id}{told}"):
        restorer(broken).restore(clip)


def test_a_recording_is_led_by_guides_that_carry_the_last_clear_frame_over() -> None:
    class Given:
        kinds = ("symmetric", "past")

        def __call__(self, clip: Clip) -> Guides:
            return GUIDES(clip)

    with pytest.raises(ValueError, match=r"guide_builder: a recording needs .* got Given"):
        CropRestorer(GuidePasser(), Given()).find_guides(tiny_clip())


def test_a_picture_of_the_users_own_is_no_past_frame_of_the_recording() -> None:
    own = {"past": OwnGuide(FRAMES[0])}
    mirror = AutomaticGuides(("symmetric",))
    assert CropRestorer(GuidePasser("past"), GUIDES).led_by_past
    assert not CropRestorer(GuidePasser("past"), GUIDES, own).led_by_past
    assert not CropRestorer(GuidePasser("symmetric", ("symmetric",)), mirror).led_by_past


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"own_guides": {"present": OwnGuide(FRAMES[0])}},
            r"guides\.present: the model was trained",
        ),
        ({"guide_scales": [1.0]}, r"guide_scales: expected"),
        ({"guide_scales": [1.0, float("nan")]}, r"guide_scales: expected"),
        ({"num_inference_steps": 0}, r"steps: expected a number in \[1, 1000\], got 0"),
        ({"batch_size": 0}, r"batch_size: expected a number in \[1, 100000\], got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CropRestorer(GuidePasser(), GUIDES, **options)
