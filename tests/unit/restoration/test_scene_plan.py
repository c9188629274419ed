"""The first pass: where the face is said to be, and what is refused before anything is done."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.landmarks import FaceAt
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames

from diffmvr.preprocessing.landmarks import LandmarkerUnavailableError
from diffmvr.restoration.regions import crop_box
from diffmvr.restoration.scene_plan import survey

WIDTH, HEIGHT, COUNT = 96, 72, 12
FRAMES = moving_frames(COUNT, WIDTH, HEIGHT)
MASKS = box_masks(COUNT, WIDTH, HEIGHT)


def look(masks: np.ndarray = MASKS, **options: object):
    """Survey the moving frames."""
    return survey(FramesInMemory(FRAMES), MasksInMemory(masks), 32, **options)


class Unavailable:
    """A landmarker whose library is missing."""

    def detect(self, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray | None:
        """Say so."""
        raise LandmarkerUnavailableError("cannot import mediapipe; pip install 'diffmvr[x]'")


def test_the_hidden_share_of_each_frame_is_measured() -> None:
    np.testing.assert_allclose(look().mask_share, MASKS.mean(axis=(1, 2)))


def test_without_a_face_the_square_is_around_the_hole() -> None:
    plan = look()

    assert plan.region_source == ("mask",) * COUNT
    assert plan.track.axis_source == ("box",) * COUNT
    assert any("no face was found" in note for note in plan.notes)
    # A hole of 24 x 24 pixels: the square is twice as large.
    assert np.ptp(crop_box(plan.crops[8])[[0, 2]]) == pytest.approx(48)


def test_a_given_box_is_taken() -> None:
    plan = look(face_box=np.array([30, 20, 60, 50.0]), landmarker=FaceAt(set(range(COUNT))))

    assert plan.region_source == ("given",) * COUNT
    # 1.6 times the box of 30 pixels.
    np.testing.assert_allclose(crop_box(plan.crops[0]), [21, 11, 69, 59])
    # In the crop of 32 pixels the box has 32 / 1.6 = 20.
    np.testing.assert_allclose(np.ptp(plan.track.face_box[0, [0, 2]]), 20)


def test_a_hole_beside_the_face_does_not_enlarge_what_the_model_sees() -> None:
    masks = MASKS.copy()
    masks[6:, 40:72, 0:60] = 1
    plan = look(masks, face_box=np.array([50, 10, 80, 40.0]))

    sides = [np.ptp(crop_box(square)[[0, 2]]) for square in (plan.crops[8], plan.regions[8])]
    assert sides[0] == pytest.approx(1.6 * 30)
    assert sides[1] > 70
    x0, y0, x1, y1 = crop_box(plan.regions[8])
    assert x0 <= -0.5 + 1e-6 and y1 >= 71.5 - 1e-6 and x1 >= 79 and y0 <= 10


def test_landmarks_are_used_and_carried() -> None:
    seen = {0, 1, 2, 3, 8, 9}
    plan = look(landmarker=FaceAt(seen))

    expected = tuple("landmarks" if t in seen else "carried" for t in range(COUNT))
    assert plan.region_source == expected
    assert plan.track.axis_source == expected
    x0, y0, x1, y1 = crop_box(plan.crops[0])
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((48, 36), abs=1.0)
    # Canonical eyes are one unit apart: 16 pixels of the frame.
    eyes = np.linalg.norm(plan.track.similarity[0][:, 0]) * np.ptp([x0, x1]) / 32
    assert eyes == pytest.approx(16, rel=0.01)


def test_a_landmarker_that_cannot_run_is_reported_and_done_without() -> None:
    plan = look(landmarker=Unavailable())

    assert plan.region_source == ("mask",) * COUNT
    assert any("not looked for: cannot import mediapipe" in note for note in plan.notes)


def test_a_container_that_promises_more_is_reported() -> None:
    source = FramesInMemory(FRAMES)
    source.info = replace(source.info, frame_count=20)

    notes = survey(source, MasksInMemory(MASKS), 32).notes

    assert "the container promises 20 frames and shows 12" in notes


def test_a_mask_that_is_empty_throughout_is_reported() -> None:
    plan = look(0 * MASKS)

    assert any("the mask (masks) is empty in every frame" in note for note in plan.notes)


def test_a_mask_that_may_be_inverted_is_reported() -> None:
    assert any("may be inverted" in note for note in look(1 - MASKS).notes)


def test_a_mask_that_hides_everything_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask: masks hides every pixel of all 12 frames"):
        look(np.ones_like(MASKS))


@pytest.mark.parametrize(
    "box", [[50, 20, 30, 40], [200, 10, 230, 40], [10, 10, 10, 40], [np.nan, 0, 9, 9]]
)
def test_a_box_that_is_none_is_refused(box: list[float]) -> None:
    with pytest.raises(ValueError, match=r"face_box: .* frame of 96x72, got \[(?:[\d.]+|nan)"):
        look(face_box=np.array(box, float))


def test_the_frames_are_not_kept() -> None:
    source = FramesInMemory(FRAMES)
    survey(source, MasksInMemory(MASKS), 32)

    assert source.most_alive <= 3
