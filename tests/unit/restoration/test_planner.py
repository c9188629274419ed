"""The first pass: where the face is said to be, whose it is, and what a cut ends."""

from collections.abc import Iterable

import numpy as np
import pytest
from tests.helpers.detectors import OCCLUDER, ByColour, Discs, disc_frames
from tests.helpers.landmarks import FaceAt
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames

from diffmvr.preprocessing.detection import FixedBox, MediapipeFaces, NoFaces
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.scan import Scanner
from diffmvr.restoration.planner import plan
from diffmvr.restoration.regions import crop_box
from diffmvr.restoration.scene_plan import ScenePlan

WIDTH, HEIGHT, COUNT = 96, 72, 12
FRAMES = moving_frames(COUNT, WIDTH, HEIGHT)
MASKS = box_masks(COUNT, WIDTH, HEIGHT)
AT, ELSEWHERE = (60.0, 70.0), (150.0, 70.0)


def plans(
    scanner: Scanner, frames: np.ndarray = FRAMES, masks: np.ndarray | None = MASKS
) -> list[ScenePlan]:
    source = FramesInMemory(frames)
    given = None if masks is None else MasksInMemory(masks)
    return list(plan(with_masks(source, given, exact=True), source.info, scanner, 32))


def boxed(x0: float, y0: float, x1: float, y1: float) -> Scanner:
    return Scanner(FixedBox(np.array([x0, y0, x1, y1])), "given")


def discs(**options: int) -> Scanner:
    return Scanner(Discs(), "colour", **options)


def numbers(found: Iterable[ScenePlan]) -> list[list[int]]:
    return [one.frame_index.tolist() for one in found]


def bars(length: int, hidden: Iterable[int], x0: int = 40, x1: int = 80) -> np.ndarray:
    """Masks of frames of 144 × 192, a bar over a disc at ``AT``."""
    masks = np.zeros((length, 144, 192), np.uint8)
    masks[list(hidden), 60:90, x0:x1] = 1
    return masks


def test_the_hidden_share_of_each_frame_is_measured() -> None:
    (one,) = plans(boxed(18, 12, 78, 60))
    np.testing.assert_allclose(one.mask_share, MASKS.mean(axis=(1, 2)))


def test_without_a_face_nothing_is_taken_for_one() -> None:
    (one,) = plans(Scanner(NoFaces(), "none"))

    assert one.person is None and one.track is None
    assert one.region_source == ("none",) * COUNT
    # Of a hole of 24 x 24 pixels: twice its side.
    assert np.ptp(crop_box(one.regions[8])[[0, 2]]) == pytest.approx(48)


def test_a_given_box_is_taken() -> None:
    (one,) = plans(boxed(30, 20, 60, 50))

    assert one.region_source == ("given",) * COUNT
    # 1.6 times the box of 30 pixels.
    np.testing.assert_allclose(crop_box(one.crops[0]), [21, 11, 69, 59], atol=1e-6)
    # In the crop of 32 pixels the box has 32 / 1.6 = 20.
    assert one.track is not None
    np.testing.assert_allclose(np.ptp(one.track.face_box[0, [0, 2]]), 20)


def test_a_hole_beside_the_face_does_not_enlarge_what_the_model_sees() -> None:
    masks = MASKS.copy()
    masks[6:, 40:72, 0:60] = 1
    (one,) = plans(boxed(50, 10, 80, 40), masks=masks)

    sides = [np.ptp(crop_box(square)[[0, 2]]) for square in (one.crops[8], one.regions[8])]
    assert sides[0] == pytest.approx(1.6 * 30)
    assert sides[1] > 70
    x0, y0, x1, y1 = crop_box(one.regions[8])
    assert x0 <= -0.5 + 1e-6 and y1 >= 71.5 - 1e-6 and x1 >= 79 and y0 <= 10


class InFrame(FaceAt):
    """A landmarker of whole frames and regions that counts how often it is asked."""

    def __init__(self, seen: set[int]) -> None:
        super().__init__(seen)
        self.asked = 0

    def detect(self, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray | None:
        """Return the landmarks at the middle of whatever is shown."""
        self.asked += 1
        found = super().detect(image, mask)
        if found is None:
            return None
        height, width = image.shape[:2]
        whole = (height, width) == (HEIGHT, WIDTH)
        return found if whole else (found - 48 + [0, 12]) * 4 + [width / 2, height / 2]


def test_landmarks_are_used_and_carried_and_asked_for_once_a_frame() -> None:
    seen = {0, 1, 2, 3, 8, 9}
    landmarker = InFrame(seen)
    in_region = InFrame({n - 1 for n in seen})
    scanner = Scanner(MediapipeFaces(landmarker), "mediapipe", in_region)
    scanner.faces.close()
    (one,) = plans(scanner)

    assert one.region_source == tuple("landmarks" if t in seen else "carried" for t in range(COUNT))
    # Where it is hidden, the head is followed by what is visible of it.
    hidden = {int(t) for t in np.flatnonzero(MASKS.any(axis=(1, 2)))}
    moved = {t for t, source in enumerate(one.track.axis_source) if source == "motion"}
    assert moved == hidden - seen
    assert landmarker.asked + in_region.asked == COUNT
    x0, y0, x1, y1 = crop_box(one.crops[0])
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((48, 36), abs=1.5)


def test_masks_that_are_too_few_or_too_many_are_refused() -> None:
    for count in (COUNT - 2, COUNT + 3):
        masks = np.zeros((count, HEIGHT, WIDTH), np.uint8)
        with pytest.raises(ValueError, match=rf"mask: masks has {count} masks but frames has 12 "):
            plans(boxed(18, 12, 78, 60), masks=masks)


def test_the_frames_are_not_kept() -> None:
    source = FramesInMemory(moving_frames(60, WIDTH, HEIGHT))
    masks = MasksInMemory(MASKS[5])
    for _ in plan(with_masks(source, masks), source.info, boxed(18, 12, 78, 60), 32):
        pass

    assert source.most_alive <= 3


def other_room(frames: np.ndarray, first: int) -> np.ndarray:
    """Put another room behind the disc from a frame on."""
    rng = np.random.default_rng(3)
    rooms = rng.integers(0, 90, (2, 6, 8, 3)).astype(np.uint8).repeat(24, 1).repeat(24, 2)
    result = frames.copy()
    for t in range(len(frames)):
        room = rooms[0] if t < first else 250 - rooms[1]
        disc = np.linalg.norm(np.mgrid[:144, :192].transpose(1, 2, 0) - [70, 60], axis=2) <= 21
        result[t] = np.where(disc[..., None], frames[t], room)
    return result


def test_a_cut_inside_a_hidden_stretch_begins_another_shot_and_person() -> None:
    frames = other_room(disc_frames([AT] * 20), 10)
    found = plans(discs(), frames, bars(20, range(5, 15)))

    assert numbers(found) == [list(range(10)), list(range(10, 20))]
    assert [one.shot for one in found] == [0, 1]
    assert len({one.person for one in found}) == 2


def test_two_people_taking_turns_are_two() -> None:
    centres = [AT] * 6 + [ELSEWHERE] * 20
    found = plans(discs(max_gap=3), disc_frames(centres), bars(26, range(3, 5)))

    people = [one.person for one in found if one.person is not None]
    assert len(set(people)) == len(people) == 2
    assert [one.shot for one in found] == [0] * len(found)
    assert [index for one in numbers(found) for index in one] == list(range(26))


def test_a_length_limit_and_a_face_that_comes_back_are_no_other_person() -> None:
    (first, second) = plans(discs(max_frames=20), disc_frames([AT] * 30), bars(30, ()))
    assert first.person == second.person

    centres = [AT] * 8 + [None] * 8 + [AT] * 8
    found = plans(discs(max_gap=3), disc_frames(centres), bars(24, ()))
    first, *gone, last = found
    assert (numbers([first, last])) == [list(range(8)), list(range(16, 24))]
    assert (first.person, last.person) == (0, 0) and {one.person for one in gone} == {None}


def test_a_recording_that_begins_hidden_belongs_to_the_face_that_comes() -> None:
    frames = disc_frames([AT] * 60)
    frames[:50, 40:100, 30:90] = OCCLUDER
    masks = np.zeros((60, 144, 192), np.uint8)
    masks[:50, 40:100, 30:90] = 1
    (one,) = plans(discs(), frames, masks)

    assert one.person == 0 and len(one) == 60
    assert one.region_source == ("carried",) * 50 + ("colour",) * 10
    beside = np.roll(masks, 100, axis=2)
    none, face = plans(discs(), frames, beside)
    assert (none.person, face.person) == (None, 0)


def test_masks_are_found_where_none_are_given() -> None:
    frames = disc_frames([AT] * 12, hidden={4, 5, 6})
    scanner = Scanner(Discs(), "colour", None, OccluderFinder(ByColour(OCCLUDER)))
    (one,) = plans(scanner, frames, None)

    assert np.flatnonzero(one.mask_share).tolist() == [4, 5, 6]
    source = FramesInMemory(frames)
    for frame in source:
        bar = (frame.image == OCCLUDER).all(axis=2)
        found = one.mask(frame, None) == 1
        assert found[bar].mean() > 0.8 if bar.any() else not found.any()


def test_without_masks_and_without_a_face_there_is_nothing_to_restore() -> None:
    with pytest.raises(ValueError, match=r"mask: none is given for frames, and no face was found"):
        plans(discs(), disc_frames([None] * 4), None)


def test_clear_frames_to_try_the_model_on_come_with_the_plan() -> None:
    (one,) = plans(boxed(18, 12, 78, 60), moving_frames(20), box_masks(20, arrival=10))

    assert 3 <= len(one.trials) <= 8
    for clip in one.trials:
        *past, now = clip.frame_index.tolist()
        assert past == sorted(past) and past[-1] < now < 10
        shown = one.crops[now].apply(moving_frames(20)[now]).astype(int)
        # Resampled twice.
        assert np.abs(clip.frames[-1] - shown).mean() < 4
        assert not clip.mask[:-1].any() and clip.mask[-1].any()
        np.testing.assert_array_equal(clip.observed[clip.mask == 0], clip.frames[clip.mask == 0])
        assert (clip.observed[clip.mask == 1] == 128).all()


def test_trials_never_cross_a_cut() -> None:
    frames = other_room(disc_frames([AT] * 40), 20)
    found = plans(discs(), frames, bars(40, [*range(14, 17), *range(34, 37)]))

    assert len(found) == 2
    for one in found:
        assert one.trials
        for clip in one.trials:
            assert set(clip.frame_index) <= set(one.frame_index)
