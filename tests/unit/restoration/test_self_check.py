"""A recording's own clear frames say how far the model can be trusted."""

from typing import Any

import numpy as np
import pytest
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames
from tests.unit.restoration.test_recording import BOX, GuidePasser, restorer_of

from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.restoration.scene_plan import survey
from diffmvr.restoration.self_check import SelfCheck, choose_trials, trial_clips, weights_of

RNG = np.random.default_rng(0)
GUIDE = RNG.integers(60, 180, (4, 16, 16, 3)).astype(np.uint8)
ERROR = RNG.integers(-20, 21, GUIDE.shape)
TRUTH = (GUIDE + ERROR).astype(np.uint8)
MASK = np.zeros(GUIDE.shape[:3], np.uint8)
MASK[:, 4:12, 4:12] = 1


@pytest.mark.parametrize(("taken", "weight"), [(1, 1.0), (2, 0.5), (-1, 0.0), (0, 1.0)])
def test_the_weight_is_the_share_of_the_correction_that_is_right(taken: int, weight: float) -> None:
    model = (GUIDE + taken * ERROR).astype(np.uint8)

    check = SelfCheck.compare(model, GUIDE, TRUTH, MASK)

    assert check.correction_weight == pytest.approx(weight)
    assert check.frames == 4
    error = (ERROR[MASK == 1] ** 2).mean()
    assert check.psnr_guide == pytest.approx(10 * np.log10(255**2 / error))
    expected = 100.0 if taken == 1 else 10 * np.log10(255**2 / (error * (taken - 1) ** 2))
    assert check.psnr_model == pytest.approx(expected)


def test_no_other_weight_is_nearer() -> None:
    noise = RNG.normal(0, 15, GUIDE.shape)
    model = (GUIDE + 0.6 * ERROR + noise).clip(0, 255).astype(np.uint8)
    check = SelfCheck.compare(model, GUIDE, TRUTH, MASK)

    def error(weight: float) -> float:
        mixed = GUIDE + weight * (model.astype(float) - GUIDE)
        return float(((mixed - TRUTH)[MASK == 1] ** 2).mean())

    assert 0.05 < check.correction_weight < 0.95
    best = error(check.correction_weight)
    assert all(best <= error(check.correction_weight + step) for step in (-0.02, 0.02))


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="truth"):
        SelfCheck.compare(GUIDE, GUIDE, TRUTH[:3], MASK)


def shares(*runs: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(length, share) for length, share in runs])


@pytest.mark.parametrize(
    "mask_share",
    [shares((11, 0.0), (20, 0.2)), shares((400, 0), (9, 0.1), (200, 0)), shares((5, 0), (90, 0.3))],
)
def test_trials_hide_clear_frames_as_others_are(mask_share: np.ndarray) -> None:
    trials = choose_trials(mask_share)

    assert 3 <= len(trials) <= 8
    assert len({trial.now for trial in trials}) == len(trials)
    for trial in trials:
        assert trial.past < trial.now
        assert mask_share[trial.past] == mask_share[trial.now] == 0
        assert mask_share[trial.hole] > 0


def test_the_past_frame_of_a_trial_is_as_old_as_that_of_a_hidden_frame() -> None:
    trials = choose_trials(shares((200, 0), (41, 0.2), (100, 0)))

    # Hidden for 1 to 41 frames.
    assert {trial.now - trial.past for trial in trials if trial.now < 200} == {21}


@pytest.mark.parametrize(
    "mask_share", [shares((50, 0.0)), shares((3, 0), (50, 0.2)), shares((20, 0.2), (50, 0))]
)
def test_without_clear_frames_or_a_hole_that_is_led_there_are_no_trials(mask_share: Any) -> None:
    assert choose_trials(mask_share) == []


COUNT, ARRIVAL = 20, 10
FRAMES = moving_frames(COUNT)
MASKS = box_masks(COUNT, arrival=ARRIVAL)


class Spoiler(GuidePasser):
    """A model whose correction is never right: the past guide, each pixel up or down at random."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return the guide with noise."""
        output = super().__call__(*args, **options)
        noise = np.random.default_rng(1).normal(0, 0.2, output.pixel_values.shape)
        output.pixel_values = (output.pixel_values + noise).clamp(-1, 1).float()
        return output


def prepared(masks: np.ndarray = MASKS) -> tuple[Any, ...]:
    source, mask_source = FramesInMemory(FRAMES), MasksInMemory(masks)
    return source, mask_source, survey(source, mask_source, 32, face_box=BOX)


def test_trial_clips_are_hidden_as_the_recording_is() -> None:
    source, masks, plan = prepared()
    clips = list(trial_clips(source, masks, plan))

    assert len(clips) >= 3
    for clip in clips:
        past, now = clip.frame_index
        assert past < now < ARRIVAL
        np.testing.assert_array_equal(clip.frames[1], plan.crops[now].apply(FRAMES[now]))
        assert not clip.mask[0].any() and clip.mask[1].any()
        np.testing.assert_array_equal(clip.observed[clip.mask == 0], clip.frames[clip.mask == 0])
        assert (clip.observed[clip.mask == 1] == 128).all()


def test_a_correction_that_is_not_right_is_not_taken() -> None:
    spoiler = restorer_of(Spoiler("past"))
    check = spoiler.check_on_clear_frames(*prepared())

    assert check is not None
    assert check.correction_weight < 0.1
    assert check.psnr_model < check.psnr_guide - 3

    restored = [
        list(restorer_of(pipeline).restore(*prepared(), correction_weight=weight))[-1]
        for pipeline, weight in ((Spoiler("past"), 0.0), (GuidePasser("past"), 1.0))
    ]
    np.testing.assert_array_equal(*(frame.restored.image for frame in restored))


def test_only_a_model_led_by_the_past_of_the_recording_is_checked() -> None:
    own = {"past": OwnGuide(FRAMES[0])}

    assert (
        restorer_of(GuidePasser("past"), own_guides=own).check_on_clear_frames(*prepared()) is None
    )
    alone = GuidePasser("symmetric", ("symmetric",))
    assert restorer_of(alone).check_on_clear_frames(*prepared()) is None
    hidden = np.repeat(MASKS[-1:], COUNT, axis=0)
    assert restorer_of(GuidePasser()).check_on_clear_frames(*prepared(hidden)) is None


def test_a_recording_that_begins_hidden_is_tried_without_a_past_frame_too() -> None:
    begins_hidden = MASKS.copy()
    begins_hidden[0] = MASKS[-1]

    check = restorer_of(GuidePasser("past")).check_on_clear_frames(*prepared(begins_hidden))

    assert check is not None and check.unled is not None
    # The one passes on the past frame, which the other trial withholds: grey instead.
    assert check.correction_weight == 1.0
    assert check.unled.psnr_model < check.psnr_model - 3
    assert check.unled.psnr_guide > check.unled.psnr_model
    assert weights_of(check) == (1.0, check.unled.correction_weight)
    clear = restorer_of(GuidePasser("past")).check_on_clear_frames(*prepared())
    assert clear is not None and clear.unled is None and weights_of(clear) == (1.0, 0.0)
    assert weights_of(None) == (1.0, 0.0)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_without_a_past_frame_the_model_corrects_the_inpainted_hole(weight: float) -> None:
    hidden = np.repeat(MASKS[-1:], COUNT, axis=0)
    source, masks, plan = prepared(hidden)

    def last(share: float) -> np.ndarray:
        restorer = restorer_of(GuidePasser("past"))
        return list(restorer.restore(source, masks, plan, unled_weight=share))[-1].restored.image

    hole = hidden[-1] == 1
    inpainted, model = last(0.0)[hole].astype(float), last(1.0)[hole].astype(float)
    # The model, which passes on a past guide that is not there, shows grey.
    assert np.abs(model - 128).mean() < 3 < np.abs(inpainted - 128).mean()
    mixed = inpainted + weight * (model - inpainted)
    # Half a correction is of the crop's pixels, the inpainted hole of the frame's.
    off = np.abs(last(weight)[hole] - mixed).mean()
    assert off < (0.2 * np.abs(model - inpainted).mean() if weight == 0.5 else 1e-9)
    np.testing.assert_array_equal(last(weight)[~hole], FRAMES[-1][~hole])
