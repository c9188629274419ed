"""References that are not before a frame: later clear frames, and the user's own pictures."""

from typing import Any

import numpy as np
import pytest
from tests.helpers.detectors import OCCLUDER, ByColour, Discs, disc_frames
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames
from tests.unit.restoration.test_planner import AT, ELSEWHERE, bars, discs, other_room
from tests.unit.restoration.test_recording import (
    BOX,
    GuidePasser,
    plans_of,
    restorer_of,
    run,
    walk,
)

from diffmvr.geometry import invert
from diffmvr.preprocessing.detection import Detections
from diffmvr.preprocessing.face import track_from_boxes
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.scene_layout import MaskCleaning
from diffmvr.preprocessing.sightings import REGION_SIZE
from diffmvr.restoration.far_references import FarReference, picture_reference
from diffmvr.restoration.planner import plan
from diffmvr.restoration.report import FrameRecord
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.structures import PastSelection

COUNT, HIDDEN = 7, 2
BOTH = PastSelection("bank", "both", size=4)
STILL = np.repeat(moving_frames(1), COUNT, axis=0)
# Hidden from the first frame on, then clear.
MASKS = np.repeat(box_masks(6)[5:], COUNT, axis=0)
MASKS[HIDDEN:] = 0


def planned(scanner: Scanner, frames: np.ndarray, masks: np.ndarray) -> list[ScenePlan]:
    return list(plans_of(FramesInMemory(frames), MasksInMemory(masks), 32, scanner, past=BOTH))


def records(
    scanner: Scanner, frames: np.ndarray, masks: np.ndarray, **options: Any
) -> list[FrameRecord]:
    source, given = FramesInMemory(frames), MasksInMemory(masks)
    restorer = restorer_of(GuidePasser(), past=BOTH, **options)
    return [one.record for one in walk(source, given, restorer, scanner=scanner, past=BOTH)]


def picture(frame: np.ndarray, number: int = 1, box: np.ndarray = BOX) -> FarReference:
    return picture_reference(frame, track_from_boxes(box[None]), 32, number, f"{number}.png")


def error(results: list[Any], t: int) -> float:
    hole = MASKS[t] == 1
    return float(np.abs(results[t].restored.image.astype(int) - STILL[t])[hole].mean())


def test_a_frame_hidden_from_the_beginning_is_led_by_the_clear_frames_after_it() -> None:
    covered = np.where(MASKS[..., None] == 1, np.uint8(0), STILL)
    results = run(GuidePasser(), MASKS, covered, past=BOTH)

    first = results[0].record
    assert first.guide_valid["past"] and (first.past_index, first.past_age) == (None, None)
    assert 1 <= len(first.references) <= 4
    assert all(one.index == -one.age >= HIDDEN for one in first.references if one.index is not None)
    assert sum(one.weight for one in first.references) == pytest.approx(1, abs=1e-3)
    # The scene stands still: what comes is what is hidden now.
    causal = run(GuidePasser(), MASKS, covered, past=PastSelection("bank"))
    assert error(results, 0) < 4 < error(causal, 0)


def test_hidden_pixels_lead_no_frame_before_or_after_them() -> None:
    masks = MASKS.copy()
    masks[-1] = MASKS[0]
    frames = moving_frames(COUNT)
    spoilt = np.where(masks[..., None] == 1, 255 - frames, frames)
    a, b = (run(GuidePasser(), masks, shown, past=BOTH) for shown in (frames, spoilt))

    for one, other, mask in zip(a, b, masks, strict=True):
        hole = mask == 1
        np.testing.assert_array_equal(one.restored.image[hole], other.restored.image[hole])
        assert one.record == other.record


def test_a_plan_holds_a_few_references_and_only_if_they_are_wanted() -> None:
    source, masks = FramesInMemory(moving_frames(20)), np.zeros((20, 72, 96), np.uint8)
    masks[8:12] = MASKS[0]
    (one,) = plans_of(source, MasksInMemory(masks), past=BOTH)

    assert source.most_alive <= 3
    assert len(one.references) == 4
    assert all(masks[far.native.index].sum() == 0 for far in one.references)
    for far in one.references:
        crop, track = one.crops[far.native.index], one.track
        assert far.small.index == far.native.index and far.small.picture.mask.shape == (32, 32)
        # Its face is where the plan has it, and its pixels are the recording's own.
        assert track is not None and far.native.still is not None
        np.testing.assert_allclose(far.small.face, track.similarity[far.small.index], atol=1e-9)
        np.testing.assert_allclose(far.small.still, crop.matrix, atol=1e-9)
        x, y = np.rint(invert(far.native.still)[:, 2]).astype(int)
        frame = source.images[far.native.index]
        np.testing.assert_array_equal(far.native.picture.image[40, 40], frame[y + 40, x + 40])
    for past in (None, PastSelection("bank")):
        (none,) = plans_of(source, MasksInMemory(masks), past=past)
        assert none.references == ()


def test_no_clear_frame_leads_one_before_a_cut_or_another_person() -> None:
    frames = other_room(disc_frames([AT] * 20), 10)
    rows = records(discs(), frames, bars(20, range(9, 11)))
    for row in rows[9:11]:
        shot = range(10) if row.index < 10 else range(10, 20)
        assert row.references and all(one.index in shot for one in row.references)

    frames = disc_frames([AT] * 8 + [ELSEWHERE] * 22)
    masks = bars(30, [7]) | bars(30, [21], 130, 170)
    rows = records(discs(max_gap=3), frames, masks)
    assert rows[7].references and all(one.index < 7 for one in rows[7].references)
    assert rows[21].references and all(one.index > 11 for one in rows[21].references)


def test_an_arm_beside_a_clear_face_is_not_shown_and_its_frame_still_leads() -> None:
    masks = MASKS.copy()
    masks[HIDDEN:, 50:70, 70:90] = 1
    frames = np.where(masks[..., None] == 1, np.uint8(255), STILL)
    small = np.array([18, 12, 58, 52.0])
    source, given = FramesInMemory(frames), MasksInMemory(masks)
    (one,) = plans_of(source, given, box=small, past=BOTH)

    assert {far.native.index for far in one.references} <= set(range(HIDDEN, COUNT))
    for far in one.references:
        image, hidden = far.native.picture.image, far.native.picture.mask
        assert hidden.any() and (image[hidden == 0] != 255).any(axis=-1).all()


class FarFromFaces(ByColour):
    """Finds nothing in the square around a face."""

    def detect(self, image: np.ndarray) -> Detections:
        """Return the patches of a wider view."""
        region = image.shape[:2] == (REGION_SIZE, REGION_SIZE)
        return Detections.none() if region else super().detect(image)


def test_what_was_found_beside_the_face_is_no_background_of_a_later_frame() -> None:
    frames = disc_frames([AT] * 3, (144, 288))
    frames[:, 60:80, 84:92] = OCCLUDER
    scanner = Scanner(Discs(), "colour", None, OccluderFinder(FarFromFaces(OCCLUDER)))
    source = FramesInMemory(frames)
    (one,) = plan(with_masks(source, None), source.info, scanner, 32, past=BOTH)
    assert len(one.references) == 3 and not one.mask_share.any()
    for far in one.references:
        shown = far.native.picture.image[far.native.picture.mask == 0].astype(int)
        assert np.abs(shown - OCCLUDER).sum(axis=-1).min() > 60


def test_a_frame_whose_mask_came_from_its_neighbours_leads_nobody() -> None:
    frames = disc_frames([AT] * 12, hidden={4, 5, 7, 8})
    scanner = Scanner(Discs(), "colour", None, OccluderFinder(ByColour(OCCLUDER)))
    source, wide = FramesInMemory(frames), PastSelection("bank", "both", size=16)
    (one,) = plan(
        with_masks(source, None), source.info, scanner, 32, MaskCleaning(fill_gap=2), past=wide
    )
    assert np.flatnonzero(one.mask_share).tolist() == [4, 5, 6, 7, 8]
    assert [far.native.index for far in one.references] == [0, 1, 2, 3, 9, 10, 11]


def test_own_pictures_lead_a_recording_that_is_never_clear() -> None:
    masks = MASKS[:2]
    covered = np.where(masks[..., None] == 1, np.uint8(0), STILL[:2])
    bank = PastSelection("bank")
    pictures = [picture(moving_frames(1, seed=9)[0], 1), picture(STILL[0], 2)]
    alone = run(GuidePasser(), masks, covered, past=bank)
    results = run(GuidePasser(), masks, covered, past=bank, pictures=pictures)

    row = results[0].record
    assert row.guide_valid["past"] and row.past_index is None
    assert {(one.index, one.age) for one in row.references} == {(None, None)}
    weights = {one.picture: one.weight for one in row.references}
    # The one that explains what is visible has the say.
    assert weights["2.png"] > 0.7 > weights["1.png"]
    assert error(results, 0) < 0.5 * error(alone, 0)


def test_a_picture_in_another_light_leaves_no_step() -> None:
    darker = np.round(0.7 * STILL[0]).astype(np.uint8)
    results = run(
        GuidePasser(), MASKS[:1], STILL[:1], past=PastSelection("bank"), pictures=[picture(darker)]
    )
    assert error(results, 0) < 6


def test_a_picture_shows_nothing_beside_the_head() -> None:
    far = picture(STILL[0])
    for one in (far.small, far.native):
        assert one.still is None
        hidden = one.picture.mask != 0
        assert hidden[[0, 0, -1, -1], [0, -1, 0, -1]].all() and not hidden.all()
        side = len(hidden)
        # The middle of the face.
        assert not hidden[side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2].any()


def test_pictures_lead_after_a_cut_and_no_other_person() -> None:
    own = picture(disc_frames([AT])[0], box=np.array([40.0, 50, 80, 90]))
    frames = other_room(disc_frames([AT] * 20), 10)
    masks = bars(20, [0, 10])
    source, given = FramesInMemory(frames), MasksInMemory(masks)
    restorer = restorer_of(GuidePasser(), past=PastSelection("bank"), pictures=[own])
    rows = [one.record for one in walk(source, given, restorer, scanner=discs())]
    for row in (rows[0], rows[10]):
        assert [one.picture for one in row.references] == ["1.png"]
    (note,) = restorer.notes
    assert note.startswith("guides.past: a face is seen in 2 shots")

    frames = disc_frames([AT] * 8 + [ELSEWHERE] * 22)
    masks = bars(30, [2]) | bars(30, [12, 23], 130, 170)
    restorer = restorer_of(GuidePasser(), past=PastSelection("bank"), pictures=[own])
    source, given = FramesInMemory(frames), MasksInMemory(masks)
    rows = [one.record for one in walk(source, given, restorer, scanner=discs(max_gap=3))]
    assert any(one.picture for one in rows[2].references)
    assert rows[23].references and not any(one.picture for one in rows[23].references)
    (note,) = restorer.notes
    assert "elsewhere from frame 12 on is taken for another person's" in note
