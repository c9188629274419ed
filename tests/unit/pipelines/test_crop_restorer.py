"""The model on crops: whose guides lead it, and which settings it refuses."""

import pytest
from tests.unit.restoration.test_recording import FRAMES, GuidePasser

from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.own_guides import OwnGuide


def test_a_picture_of_the_users_own_is_no_past_frame_of_the_recording() -> None:
    own = {"past": OwnGuide(FRAMES[0])}
    assert CropRestorer(GuidePasser("past")).led_by_past
    assert not CropRestorer(GuidePasser("past"), own).led_by_past
    assert not CropRestorer(GuidePasser("symmetric", ("symmetric",))).led_by_past


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
        ({"clear_threshold": 2.0}, r"clear_threshold: expected a number in \[0, 1\], got 2"),
        ({"align_past": "magic"}, r"align_past: expected one of .* got 'magic'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CropRestorer(GuidePasser(), **options)
