"""What is said of a frame, in numbers and in words."""

import numpy as np
import pytest
from tests.helpers.doubt import plain_model, sight

from diffmvr.doubt.features import FEATURES, pixel_features
from diffmvr.doubt.judge import CalibratedJudge


def test_where_references_agree_there_is_less_doubt() -> None:
    judge = CalibratedJudge(plain_model())
    sure, unsure = judge(sight(0.0)), judge(sight(20.0))
    assert sure.frame.expected_error == pytest.approx(1.0, abs=0.01)
    assert unsure.frame.expected_error == pytest.approx(21.0, abs=0.1)
    assert sure.map is not None and unsure.map is not None
    # Half width 1.9 · σ, rounded up to half a grey level.
    assert sure.map.steps.max() == 4
    assert unsure.map.steps[12, 10] == np.ceil(2 * 1.9 * 21)
    assert unsure.frame.error_interval == pytest.approx((21 / 1.9, 21 * 1.9), abs=0.01)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"age": 3.0}, "age"),
        ({"age": -3.0}, "age"),
        ({"hidden_share": 0.9}, "hidden"),
        ({"trial_error": 9.0}, "trial_error"),
        ({"correction": np.full((24, 20), 3, np.float32)}, "correction"),
        ({"mirrored": np.full((24, 20), 3, np.float32)}, "mirrored"),
    ],
)
def test_each_feature_grows_with_what_it_measures(changes: dict, name: str) -> None:
    before, after = pixel_features(sight()), pixel_features(sight(**changes))
    place = FEATURES.index(name)
    assert (after[place] > before[place]).all()
    others = np.delete(np.arange(len(FEATURES)), place)
    np.testing.assert_array_equal(after[others], before[others])


def test_what_is_not_known_counts_as_the_worst_of_the_calibration() -> None:
    weights = {name: float(name == "age") for name in FEATURES}
    judge = CalibratedJudge(plain_model(weights=weights))
    assert judge(sight(age=None)).frame.expected_error == pytest.approx(100)


def test_frames_beyond_what_is_allowed_are_not_shown_and_why_is_said() -> None:
    judge = CalibratedJudge(plain_model(), abstain=10.0)
    kept, withheld = judge(sight(5.0)).frame, judge(sight(12.0)).frame
    assert not kept.abstained
    assert kept.why == ()
    assert withheld.abstained
    assert withheld.why == ("earlier views of the face differ where it is hidden",)
    assert judge.blind(0.4, "nothing known").frame.abstained
    assert not CalibratedJudge(plain_model()).blind(0.4, "nothing known").frame.abstained


def test_reasons_are_words_with_numbers_that_a_nurse_knows() -> None:
    judge = CalibratedJudge(plain_model())
    said = judge(sight(age=9.0, hidden_share=0.62)).frame.why
    assert said == ("no clear view of the face since 00:41", "62 % of the face is hidden")
    assert judge(sight(age=None)).frame.why[0].startswith("no clear view of the face in this rec")
    assert judge(sight(age=-3.0)).frame.why == ("no clear view of the face within 3 s",)
    usual = {name: {"median": 0.0, "high": 0.5, "most": 0.6} for name in FEATURES}
    strange = CalibratedJudge(plain_model(usual=usual))(sight(5.0)).frame.why
    assert "earlier views of the face differ where it is hidden" in strange
    assert "nothing like it was seen when this doubt was calibrated" in strange


@pytest.mark.parametrize("level", [0.95, 0.3])
def test_a_level_that_cannot_be_promised_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=rf"doubt\.level: expected 0\.50 to 0\.90 .* got {level}"):
        CalibratedJudge(plain_model(), level)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"doubt: .*'levle'"):
        CalibratedJudge.from_settings({"levle": 0.8})
    with pytest.raises(ValueError, match=r"doubt\.level: expected a number such as 0\.9, got 'a'"):
        CalibratedJudge.from_settings({"level": "a"})
