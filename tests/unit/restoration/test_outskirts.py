"""What hides a face, followed beyond the square in which it was looked for."""

import numpy as np
import pytest
from tests.helpers.detectors import OCCLUDER, ByColour, Discs, disc_frames
from tests.helpers.recordings import FramesInMemory
from tests.unit.restoration.test_recording import GuidePasser, restorer_of

from diffmvr.preprocessing.crop import square_region
from diffmvr.preprocessing.detection import Detections
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.sightings import REGION_SIZE
from diffmvr.restoration.outskirts import LATE, look_around
from diffmvr.restoration.planner import plan
from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.scene_plan import ScenePlan

SIZE, AT = (160, 320), (100.0, 80.0)
COUNT, ARRIVAL = 11, 7
ARM_END = 160
"""The region is 72 pixels wide: its right border is near 136."""


def frames(x1: int = ARM_END, x0: int = 95) -> np.ndarray:
    """``[T, H, W, 3]``, a face in a striped room, and in the later half an arm over it."""
    recording = disc_frames([AT] * COUNT, SIZE, ground=(90, 90, 90))
    ground = (recording == 90).all(axis=-1)
    stripes = (60 + 60 * ((np.arange(SIZE[1]) // 8) % 2)).astype(np.uint8)
    recording = np.where(ground[..., None], stripes[None, None, :, None], recording)
    recording[ARRIVAL:, 76:96, x0:x1] = OCCLUDER
    return recording


class NearFaces(ByColour):
    """Finds nothing but in regions."""

    def detect(self, image: np.ndarray) -> Detections:
        """Return the patches of a region."""
        region = image.shape[:2] == (REGION_SIZE, REGION_SIZE)
        return super().detect(image) if region else Detections.none()


def planned(recording: np.ndarray, detector: ByColour | None = None) -> ScenePlan:
    scanner = Scanner(Discs(), "colour", None, OccluderFinder(detector or ByColour(OCCLUDER)))
    source = FramesInMemory(recording)
    (one,) = plan(with_masks(source, None, exact=True), source.info, scanner, 32)
    return one


def restored(recording: np.ndarray, detector: ByColour | None = None) -> list[RestoredFrame]:
    one, source = planned(recording, detector), FramesInMemory(recording)
    return list(restorer_of(GuidePasser()).restore([one], with_masks(source, None)))


@pytest.mark.parametrize("clear", [ARRIVAL, 2])
def test_a_sleeve_is_not_cut_off_at_the_border_of_the_square_around_the_face(clear: int) -> None:
    recording, without = frames()[ARRIVAL - clear :], frames(95)
    result = restored(recording)

    sleeve = np.zeros(SIZE, bool)
    sleeve[76:96, 124:ARM_END] = True
    for frame in result[clear:]:
        assert frame.mask[sleeve].mean() > 0.95
        error = np.abs(frame.restored.image.astype(int) - without[frame.record.index])
        assert error[sleeve].mean() < 4
        assert frame.record.beyond == "followed"
    assert [frame.record.beyond for frame in result[:clear]] == [None] * clear


def test_a_hole_that_ends_where_nothing_was_looked_for_is_said_to_be_cut() -> None:
    # The detector finds nothing around the square, or the arm is longer than what it is shown.
    for one in (planned(frames(), NearFaces(OCCLUDER)), planned(frames(300))):
        assert one.beyond(COUNT - 1) == "cut"
        assert one.mask(next(iter(FramesInMemory(frames()))), None).sum() == 0


def test_a_hand_beside_the_face_stays_and_is_not_taken_for_background() -> None:
    recording = frames(x0=150, x1=170)
    one, source = planned(recording), FramesInMemory(recording)
    for frame in source:
        mask = one.mask(frame, None)
        assert not mask.any()
        hand = (frame.image == OCCLUDER).all(axis=-1)
        found = one.no_background(frame.index)
        assert (found is None) == (frame.index < ARRIVAL - LATE)
        if hand.any():
            assert found is not None and found[0][hand].mean() > 0.95


def test_a_hand_that_is_found_late_is_not_taken_for_background() -> None:
    recording, without = frames(x0=150, x1=170), frames(95)
    # The detector does not know it by this colour.
    recording[ARRIVAL, 76:96, 150:170] = 20, 200, 30
    # It comes nearer, and its arm with it.
    recording[ARRIVAL + 2 :, 76:96, 95:] = np.array(OCCLUDER, np.uint8)
    recording[ARRIVAL + 2 :, 76:96, ARM_END + 8 :] = without[0, 76:96, ARM_END + 8 :]
    result = restored(recording)[-1]
    where = np.s_[78:94, 150:166]
    error = np.abs(result.restored.image[where].astype(int) - without[-1][where])
    assert error.mean() < 4


def test_a_region_that_shows_the_whole_frame_is_looked_at_once() -> None:
    detector = ByColour(OCCLUDER)
    region = square_region(np.array([50.0, 50.0]), 110.0, REGION_SIZE, (100, 100))
    assert look_around(np.zeros((100, 100, 3), np.uint8), region, OccluderFinder(detector)) is None
    assert detector.calls == 0
