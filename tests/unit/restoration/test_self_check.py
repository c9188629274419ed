"""A recording's own clear frames say how far the model can be trusted."""

from typing import Any

import numpy as np
import pytest
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames
from tests.unit.restoration.test_recording import GuidePasser, restorer_of, walk

from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.self_check import SelfCheck, Tally, choose_trials

RNG = np.random.default_rng(0)
GUIDE = RNG.integers(60, 180, (4, 16, 16, 3)).astype(np.uint8)
ERROR = RNG.integers(-20, 21, GUIDE.shape)
TRUTH = (GUIDE + ERROR).astype(np.uint8)
MASK = np.zeros(GUIDE.shape[:3], np.uint8)
MASK[:, 4:12, 4:12] = 1


@pytest.mark.parametrize(("taken", "weight"), [(1, 1.0), (2, 0.5), (-1, 0.0), (0, 1.0)])
def test_the_weight_is_the_share_of_the_correction_that_is_right(taken: int, weight: float) -> None:
    model = (GUIDE + taken * ERROR).astype(np.uint8)

    check = SelfCheck.from_tally(Tally.of(model, GUIDE, TRUTH, MASK))

    assert check is not None
    assert check.correction_weight == pytest.approx(weight)
    assert check.frames == 4
    error = (ERROR[MASK == 1] ** 2).mean()
    assert check.psnr_guide == pytest.approx(10 * np.log10(255**2 / error))
    expected = 100.0 if taken == 1 else 10 * np.log10(255**2 / (error * (taken - 1) ** 2))
    assert check.psnr_model == pytest.approx(expected)


def test_no_other_weight_is_nearer() -> None:
    noise = RNG.normal(0, 15, GUIDE.shape)
    model = (GUIDE + 0.6 * ERROR + noise).clip(0, 255).astype(np.uint8)
    check = SelfCheck.from_tally(Tally.of(model, GUIDE, TRUTH, MASK))
    assert check is not None

    def error(weight: float) -> float:
        mixed = GUIDE + weight * (model.astype(float) - GUIDE)
        return float(((mixed - TRUTH)[MASK == 1] ** 2).mean())

    assert 0.05 < check.correction_weight < 0.95
    best = error(check.correction_weight)
    assert all(best <= error(check.correction_weight + step) for step in (-0.02, 0.02))


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="truth"):
        Tally.of(GUIDE, GUIDE, TRUTH[:3], MASK)


def test_the_tallies_of_scenes_add_up() -> None:
    model = (GUIDE + RNG.integers(-9, 10, GUIDE.shape)).astype(np.uint8)
    whole = Tally.of(model, GUIDE, TRUTH, MASK)
    parts = [Tally.of(model[k], GUIDE[k], TRUTH[k], MASK[k]) for k in (slice(0, 1), slice(1, 4))]

    added = sum(parts, Tally())

    assert (added.frames, added.values) == (whole.frames, whole.values) == (4, 4 * 64 * 3)
    for name in ("model", "guide", "size", "product"):
        assert getattr(added, name) == pytest.approx(getattr(whole, name))


def test_two_frames_say_nothing() -> None:
    assert SelfCheck.from_tally(Tally.of(GUIDE[:2], GUIDE[:2], TRUTH[:2], MASK[:2])) is None


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


def test_only_clear_frames_at_hand_are_tried() -> None:
    mask_share = shares((100, 0), (20, 0.2))
    known = np.arange(0, 120, 7)

    trials = choose_trials(mask_share, known)

    assert len(trials) >= 3
    assert {n for trial in trials for n in (trial.past, trial.now)} <= {*range(0, 100, 7)}


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


def checked(
    pipeline: GuidePasser, masks: np.ndarray = MASKS, **options: Any
) -> tuple[VideoRestorer, list[RestoredFrame]]:
    """Restore the moving frames with a self-check."""
    restorer = restorer_of(pipeline, **{"self_check": True, **options})
    return restorer, list(walk(FramesInMemory(FRAMES), MasksInMemory(masks), restorer))


def test_a_correction_that_is_not_right_is_not_taken() -> None:
    restorer, frames = checked(Spoiler("past"))

    check = restorer.check
    assert check is not None
    assert check.correction_weight < 0.1
    assert check.psnr_model < check.psnr_guide - 3
    unchecked, _ = checked(Spoiler("past"), self_check=False)
    assert (unchecked.check, unchecked.weights) == (None, (1.0, 1.0))
    _, guide = checked(GuidePasser("past"))
    off = frames[-1].restored.image.astype(int) - guide[-1].restored.image
    # The noise of the model is of 25 grey levels.
    assert np.abs(off)[MASKS[-1] == 1].mean() < 2.5


def test_only_a_model_led_by_the_past_of_the_recording_is_checked() -> None:
    own = {"past": OwnGuide(FRAMES[0])}

    assert checked(GuidePasser("past"), own_guides=own)[0].check is None
    assert checked(GuidePasser("symmetric", ("symmetric",)))[0].check is None
    hidden = np.repeat(MASKS[-1:], COUNT, axis=0)
    assert checked(GuidePasser(), hidden)[0].check is None


def test_a_recording_that_begins_hidden_is_tried_without_a_past_frame_too() -> None:
    begins_hidden = MASKS.copy()
    begins_hidden[0] = MASKS[-1]

    restorer, _ = checked(GuidePasser("past"), begins_hidden)

    check = restorer.check
    assert check is not None and check.unled is not None
    # The one passes on the past frame, which the other trial withholds: grey instead.
    assert check.correction_weight == 1.0
    assert check.unled.psnr_model < check.psnr_model - 3
    assert check.unled.psnr_guide > check.unled.psnr_model
    assert restorer.weights == (1.0, check.unled.correction_weight)
    clear, _ = checked(GuidePasser("past"))
    assert clear.check is not None and clear.check.unled is None and clear.weights == (1.0, 0.0)


def test_without_a_past_frame_nothing_of_a_model_that_was_not_tried_is_taken() -> None:
    hidden = np.repeat(MASKS[-1:], COUNT, axis=0)
    hole = hidden[-1] == 1

    _, tried = checked(GuidePasser("past"), hidden)
    _, trusted = checked(GuidePasser("past"), hidden, self_check=False)

    # The model, which passes on a past guide that is not there, shows grey.
    off = [
        np.abs(one[-1].restored.image[hole].astype(int) - 128).mean() for one in (tried, trusted)
    ]
    assert off[1] < 3 < off[0]
    np.testing.assert_array_equal(tried[-1].restored.image[~hole], FRAMES[-1][~hole])
