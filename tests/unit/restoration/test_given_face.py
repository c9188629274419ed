"""Where the user says that the face is: inside the picture, or one line says so."""

import numpy as np
import pytest
from tests.helpers.recordings import FramesInMemory, moving_frames

from diffmvr.restoration.given_face import check_face_at, check_face_box

INFO = FramesInMemory(moving_frames(1, 96, 72)).info


@pytest.mark.parametrize(
    "box",
    [[50, 20, 30, 40], [200, 10, 230, 40], [10, 10, 10, 40], [np.nan, 0, 9, 9], [0, 0, 999, 9]],
)
def test_a_box_that_is_none_is_refused(box: list[float]) -> None:
    with pytest.raises(ValueError, match=r"face_box: .* frame of 96x72, .*, got \[(?:[\d.]+|nan)"):
        check_face_box(np.array(box, float), INFO)


@pytest.mark.parametrize("at", [[96.0, 10.0], [10.0, 72.0]])
def test_a_point_outside_the_picture_is_refused(at: list[float]) -> None:
    check_face_at([95.0, 71.0], INFO)
    with pytest.raises(ValueError, match=r"face_at: .* picture of 96x72 pixels, got \[[\d.]+, "):
        check_face_at(at, INFO)
