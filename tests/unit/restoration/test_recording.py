"""The walk: what changes, what guides a frame, and what windows may not change."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tests.helpers.detectors import Discs, disc_frames
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames
from tests.helpers.tiny import build_tiny
from tests.unit.restoration.test_planner import AT, ELSEWHERE, bars, discs, other_room
from torch import Tensor

from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.detection import FixedBox, NoFaces
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.scan import Scanner
from diffmvr.restoration.paste_back import shows_all
from diffmvr.restoration.planner import plan
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.structures import PastSelection

COUNT, ARRIVAL = 12, 3
FRAMES = moving_frames(COUNT)
MASKS = box_masks(COUNT, arrival=ARRIVAL)
BOX = np.array([18, 12, 78, 60.0])


class GuidePasser:
    """A pipeline that fills the hole with one of its guides; exact in every batch size."""

    resolution = 32

    def __init__(self, guide: str = "past", guide_kinds: tuple[str, ...] = ("symmetric", "past")):
        self.guide_kinds = guide_kinds
        self.guide = guide
        self.calls: list[dict[str, Any]] = []

    def set_progress_bar_config(self, **options: Any) -> None:
        """There is no bar."""

    def __call__(
        self,
        pixel_values: Tensor,
        mask: Tensor,
        guide_pixel_values: Tensor,
        guide_valid: Tensor,
        **options: Any,
    ) -> Any:
        """Return the guide inside the mask."""
        self.calls.append({"frames": len(pixel_values), "valid": guide_valid, **options})
        guide = guide_pixel_values[:, self.guide_kinds.index(self.guide)]
        return SimpleNamespace(pixel_values=torch.where(mask > 0.5, guide, pixel_values))


def restorer_of(pipeline: Any, **options: Any) -> VideoRestorer:
    """Build a restorer; options of the video and of the crops may be mixed."""
    of_video = {"window", "feather", "past_detail", "self_check", "no_face", "pictures"}
    of_video |= {"judge", "abstained"}
    options = {"self_check": False, **options}
    of_guides = {"clear_threshold", "align_past", "past"}
    guides = AutomaticGuides(
        pipeline.guide_kinds, **{k: v for k, v in options.items() if k in of_guides}
    )
    of_crops = {k: v for k, v in options.items() if k not in of_video | of_guides}
    crops = CropRestorer(pipeline, guides, **of_crops)
    return VideoRestorer(crops, **{k: v for k, v in options.items() if k in of_video})


def run(
    pipeline: Any, masks: np.ndarray = MASKS, frames: np.ndarray = FRAMES, **options: Any
) -> list[RestoredFrame]:
    """Plan and restore the moving frames with a given face box."""
    source, mask_source = FramesInMemory(frames), MasksInMemory(masks)
    restorer, past = restorer_of(pipeline, **options), options.get("past")
    return list(walk(source, mask_source, restorer, pipeline.resolution, past=past))


def plans_of(
    source: FramesInMemory,
    masks: MasksInMemory,
    size: int = 32,
    scanner: Scanner | None = None,
    box: np.ndarray = BOX,
    past: PastSelection | None = None,
) -> Iterator[ScenePlan]:
    """Plan a recording whose face box is given, unless there is a scanner."""
    scanner = scanner or Scanner(FixedBox(box), "given")
    return plan(with_masks(source, masks), source.info, scanner, size, past=past)


def walk(
    source: FramesInMemory,
    masks: MasksInMemory,
    restorer: VideoRestorer,
    size: int = 32,
    scanner: Scanner | None = None,
    box: np.ndarray = BOX,
    past: PastSelection | None = None,
) -> Iterator[RestoredFrame]:
    """Restore a recording."""
    plans = plans_of(source, masks, size, scanner, box, past)
    return restorer.restore(plans, with_masks(source, masks))


@pytest.fixture(scope="module")
def tiny(frozen_parts) -> DiffMVRPipeline:
    """A real model with random weights."""
    pipeline = DiffMVRPipeline.from_components(build_tiny(frozen_parts))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("feather", [0.0, 5.0])
def test_only_hidden_pixels_change(tiny: DiffMVRPipeline, feather: float) -> None:
    results = run(tiny, feather=feather)

    assert [frame.record.index for frame in results] == list(range(COUNT))
    for frame, observed, mask in zip(results, FRAMES, MASKS, strict=True):
        np.testing.assert_array_equal(frame.observed.image, observed)
        np.testing.assert_array_equal(frame.restored.image[mask == 0], observed[mask == 0])
        changed = (frame.restored.image != observed).any(axis=-1)
        assert changed.sum() >= 0.9 * mask.sum()
        assert frame.record.restored == mask.any()


def test_frames_without_a_hole_do_not_go_through_the_model() -> None:
    pipeline = GuidePasser()
    results = run(pipeline, window=4)

    assert sum(call["frames"] for call in pipeline.calls) == COUNT - ARRIVAL
    for frame in results[:ARRIVAL]:
        assert frame.restored is frame.observed


@pytest.mark.parametrize("guide", ["past", "symmetric"])
def test_windows_do_not_change_the_result(guide: str) -> None:
    first, *others = (run(GuidePasser(guide), window=size) for size in (1, 4, 5, 16))

    for other in others:
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a.restored.image, b.restored.image)
            assert a.record == b.record


@pytest.mark.parametrize(
    ("select", "reach"), [("matched", "past"), ("bank", "past"), ("bank", "both")]
)
def test_a_bank_is_the_same_wherever_windows_end(select: str, reach: str) -> None:
    # Fewer places than clear frames, which come before and between two coverings.
    past = PastSelection(select, reach, size=3)
    masks = MASKS.copy()
    masks[7:9] = 0
    results = [run(GuidePasser(), masks, window=window, past=past) for window in (1, 5, COUNT)]

    for one in zip(*results, strict=True):
        np.testing.assert_array_equal(one[0].restored.image, one[1].restored.image)
        np.testing.assert_array_equal(one[0].restored.image, one[2].restored.image)
        assert one[0].record == one[1].record == one[2].record
    last = results[0][-1].record
    assert len(last.references) == (1 if select == "matched" else 3)
    assert sum(reference.weight for reference in last.references) == pytest.approx(1, abs=1e-3)
    assert all(0 < one.age == last.index - one.index for one in last.references)
    assert any(reference.index in (7, 8) for reference in last.references) or select == "matched"
    first = results[0][ARRIVAL].record.references
    assert len(first) <= 3 and any(one.age < 0 for one in first) == (reach == "both")


def test_what_no_reference_shows_is_filled_by_the_frames_that_do() -> None:
    """The hole reaches beyond the squares that references keep."""
    masks = MASKS.copy()
    masks[ARRIVAL:, 20:40, 60:] = 1
    bank = run(GuidePasser(), masks, past=PastSelection("bank"))
    for t in range(ARRIVAL, COUNT):
        hole = masks[t] == 1
        error = np.abs(bank[t].restored.image.astype(int) - FRAMES[t])[hole]
        unfilled = np.abs(128 - FRAMES[t].astype(int))[hole]
        assert error.mean() < 0.5 * unfilled.mean()


def test_windows_change_a_real_models_result_by_rounding_only(tiny: DiffMVRPipeline) -> None:
    first, *others = (run(tiny, window=size) for size in (1, 4, 16))

    for other in others:
        for a, b in zip(first, other, strict=True):
            gap = np.abs(a.restored.image.astype(int) - b.restored.image)
            assert gap.max() <= 1


def test_encodings_of_guides_do_not_outlast_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their last bits depend on what they are encoded beside, and a call may go on at a part."""
    monkeypatch.setattr("diffmvr.restoration.recording.PART_FRAMES", 6)
    pipeline = GuidePasser()
    run(pipeline, window=3)
    memories = [id(call["guide_memory"]) for call in pipeline.calls]
    assert len(set(memories)) == 2
    assert memories[1] == memories[2]


def test_a_seed_repeats_a_run_and_another_does_not(tiny: DiffMVRPipeline) -> None:
    a, b, c = (run(tiny, seed=seed)[-1].restored.image for seed in (1, 1, 2))

    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_no_more_than_a_window_is_held() -> None:
    source, masks = FramesInMemory(moving_frames(60)), MasksInMemory(MASKS[5])
    pipeline = GuidePasser()
    for _ in walk(source, masks, restorer_of(pipeline, window=4)):
        pass

    # A window, the past clear frame, and what each reader of the two passes still names.
    assert source.most_alive <= 4 + 1 + 2 * 3


def test_the_most_recent_clear_frame_is_the_past_guide() -> None:
    masks = MASKS.copy()
    masks[7] = 0
    records = [frame.record for frame in run(GuidePasser(), masks, window=3)]

    assert [record.past_index for record in records] == [None] * 3 + [2] * 4 + [None] + [7] * 4
    assert [record.past_age for record in records[3:7]] == [1, 2, 3, 4]
    assert all(record.guide_valid == {"symmetric": True, "past": True} for record in records[3:7])


def test_the_past_frame_fills_the_hole_of_a_still_scene() -> None:
    still = np.stack([FRAMES[0]] * COUNT)
    covered = np.where(MASKS[..., None] == 1, np.uint8(0), still)

    results = run(GuidePasser("past"), frames=covered)

    # What is left is the resampling to 32 x 32 and back.
    error = np.abs(results[-1].restored.image.astype(int) - still[-1])
    assert error[MASKS[-1] == 1].mean() < 4


def test_without_a_clear_frame_before_the_guide_is_missing() -> None:
    pipeline = GuidePasser()
    records = [frame.record for frame in run(pipeline, MASKS[5])]

    assert all(record.past_index is None for record in records)
    assert all(record.guide_valid == {"symmetric": True, "past": False} for record in records)
    assert not pipeline.calls[0]["valid"][:, 1].any()


def test_a_frame_of_which_nothing_is_known_is_refused() -> None:
    masks = MASKS[:4].copy()
    masks[:2] = 1

    with pytest.raises(
        ValueError, match=r"mask: frame 0 is hidden entirely, .* guides\.past=IMAGE"
    ):
        run(GuidePasser(), masks, FRAMES[:4])


def test_a_hidden_frame_with_a_past_guide_is_restored() -> None:
    masks = np.zeros_like(MASKS)
    masks[4:] = 1

    results = run(GuidePasser("past"), masks)

    assert results[6].record.guide_valid == {"symmetric": False, "past": True}
    assert results[6].record.past_index == 3


def test_an_own_picture_replaces_a_guide() -> None:
    red = np.zeros((50, 80, 3), np.uint8)
    red[..., 0] = 250

    results = run(GuidePasser("past"), MASKS[5], own_guides={"past": OwnGuide(red)})

    # At the rim, enlarging the crop mixes in its visible neighbours.
    inner = cv2.erode(MASKS[5], np.ones((13, 13), np.uint8)) == 1
    assert inner.any()
    assert (results[0].restored.image[inner] == (250, 0, 0)).all()
    assert results[0].record.guide_valid["past"]
    assert results[0].record.past_index is None


def test_an_own_picture_is_laid_onto_the_face() -> None:
    picture = moving_frames(1, 200, 150, seed=4)[0]
    plan_similarity = np.array([[10.0, 0, 16], [0, 10.0, 12]])
    own = OwnGuide(picture, np.array([[40.0, 0, 90], [0, 40.0, 60]]))

    shown = own.in_crop(plan_similarity, 32)

    # The point between the eyes, and one eye distance to its right, four times as large there.
    assert np.abs(shown[12, 16].astype(int) - picture[60, 90]).max() < 12
    assert np.abs(shown[12, 26].astype(int) - picture[60, 130]).max() < 12


def test_scales_steps_and_noise_reach_the_model() -> None:
    pipeline = GuidePasser()
    run(pipeline, guide_scales=[0.25, 0.75], num_inference_steps=7, seed=3)

    call = pipeline.calls[0]
    assert call["guide_scales"] == [0.25, 0.75]
    assert call["num_inference_steps"] == 7
    assert call["generator"].initial_seed() == 3


def test_records_tell_times_and_squares() -> None:
    record = run(GuidePasser())[5].record

    assert record.time == pytest.approx(5 / 25)
    assert record.mask_share == pytest.approx(MASKS[5].mean())
    assert (record.axis_source, record.region_source) == ("box", "given")
    # 1.6 face boxes of 60 pixels do not fit into 72: the square is the frame's height.
    assert record.crop == pytest.approx((12.5, 0, 72))


@pytest.mark.parametrize("past_detail", [True, False])
@pytest.mark.parametrize("arrival", [0, ARRIVAL])
def test_what_is_hidden_beside_the_face_is_filled_too(past_detail: bool, arrival: int) -> None:
    masks = np.zeros_like(MASKS)
    masks[arrival:, 30:70, 20:90] = 1
    box = np.array([10, 5, 40, 35.0])
    covered = np.where(masks[..., None] == 1, np.uint8(255), FRAMES[:1])
    source, mask_source = FramesInMemory(covered), MasksInMemory(masks)
    restorer = restorer_of(GuidePasser("past"), past_detail=past_detail)

    last = list(walk(source, mask_source, restorer, box=box))[-1]

    hole = masks[-1] == 1
    (scene,) = plans_of(source, mask_source, box=box)
    assert not shows_all(masks[-1], scene.crops[-1])
    np.testing.assert_array_equal(last.restored.image[~hole], covered[-1][~hole])
    outside = hole.copy()
    outside[:55, :50] = False
    error = np.abs(last.restored.image.astype(int) - FRAMES[0])[outside].mean()
    # The scene stands still: a clear frame shows it, inpainting does not.
    assert error < 3 if arrival else 3 < error < 100
    crop, region = (np.array(square) for square in (last.record.crop, last.record.region))
    assert region[2] > crop[2] == pytest.approx(48)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, r"window: expected a number in \[1, 10000\], got 0"),
        ({"feather": float("nan")}, r"feather: expected a number in .*, got nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        restorer_of(GuidePasser(), **options)


def led_by(
    scanner: Scanner, frames: np.ndarray, masks: np.ndarray, **options: Any
) -> dict[int, int | None]:
    """Return which frame led each hidden one."""
    restorer = restorer_of(GuidePasser(), **options)
    walked = walk(FramesInMemory(frames), MasksInMemory(masks), restorer, scanner=scanner)
    rows = [frame.record for frame in walked]
    assert [row.index for row in rows] == list(range(len(frames)))
    return {row.index: row.past_index for row in rows if row.restored}


def test_nothing_before_a_cut_leads_a_frame_after_it() -> None:
    frames = other_room(disc_frames([AT] * 20), 10)
    led = led_by(discs(), frames, bars(20, [*range(5, 15), 17]))

    assert {led[t] for t in range(5, 10)} == {4}
    assert {led[t] for t in range(10, 15)} == {None}
    assert led[17] == 16


def test_another_person_is_led_by_no_frame_of_the_first() -> None:
    frames = disc_frames([AT] * 8 + [ELSEWHERE] * 22)
    masks = bars(30, range(5, 8)) | bars(30, [*range(21, 24), 28], 130, 170)
    led = led_by(discs(max_gap=3), frames, masks)

    assert {led[t] for t in range(5, 8)} == {4}
    second = {led[t] for t in (*range(21, 24), 28)}
    assert min(one for one in second if one is not None) > 8


def test_a_clear_frame_of_long_ago_still_leads() -> None:
    # Seven times as long as the longest scene.
    frames = np.repeat(disc_frames([AT]), 210, axis=0)
    masks = bars(210, range(3, 210))
    # Which frame leads does not depend on how it is carried, and carrying takes seconds.
    quick = {"align_past": "none", "past_detail": False, "window": 64}
    led = led_by(Scanner(Discs(), "colour", max_frames=30), frames, masks, **quick)

    assert set(led.values()) == {2} and len(led) == 207


def test_without_a_face_the_model_is_not_asked() -> None:
    pipeline = GuidePasser()
    still = np.repeat(FRAMES[:1], COUNT, axis=0)
    covered = np.where(MASKS[..., None] == 1, np.uint8(255), still)
    source, masks = FramesInMemory(covered), MasksInMemory(MASKS)
    nobody = Scanner(NoFaces(), "none")

    results = list(walk(source, masks, restorer_of(pipeline), scanner=nobody))

    assert pipeline.calls == []
    np.testing.assert_array_equal(results[-1].restored.image, FRAMES[0])
    assert {one.record.region_source for one in results} == {"none"}
    with pytest.raises(ValueError, match=r"no_face: frame 3 is hidden in part and no face"):
        list(walk(source, masks, restorer_of(pipeline, no_face="refuse"), scanner=nobody))
    masks = MasksInMemory(np.ones_like(MASKS))
    with pytest.raises(ValueError, match=r"mask: frame 0 is hidden entirely"):
        list(walk(source, masks, restorer_of(pipeline), scanner=nobody))


@pytest.mark.parametrize("select", ["recent", "bank"])
def test_a_model_none_of_whose_correction_is_taken_is_not_asked(select: str) -> None:
    """Clear frames of a still scene say that the past is right, and that the mirror is not."""
    still = np.repeat(FRAMES[:1], COUNT, axis=0)
    masks = box_masks(COUNT, arrival=7)
    pipeline, past = GuidePasser("symmetric"), PastSelection(select=select)
    results = run(pipeline, masks, still, self_check=True, past=past)
    tried = sum(call["frames"] for call in pipeline.calls)
    assert 3 <= tried <= 8, "clear frames alone"
    assert results[-1].record.guide_valid["past"]
    np.testing.assert_allclose(results[-1].restored.image, FRAMES[0], atol=1)
    asked = GuidePasser("symmetric")
    run(asked, masks, still, self_check=False, past=past)
    assert sum(call["frames"] for call in asked.calls) == COUNT - 7
