"""Corrections of what was found to hide the face."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffmvr.page.correction import SCOPES, FoundPlan, drawn_mask
from diffmvr.page.examples import render_example
from diffmvr.structures import UInt8Array

SIDE, COUNT = 64, 5
THIS, ON, ALL = SCOPES


@pytest.fixture
def plan(tmp_path: Path) -> FoundPlan:
    """The face moves right by two pixels a frame and is twice as large in frame 3; 4 has none."""
    recording, folder = tmp_path / "a.mp4", tmp_path / "plan"
    render_example(recording, size=SIDE, frames=COUNT)
    (folder / "masks").mkdir(parents=True)
    rows = []
    for index in range(COUNT):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[40:50, 40:50] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{index:05d}.png")
        side = 40.0 if index == 3 else 20.0
        person = None if index == 4 else 0
        row = {"index": index, "time": index / 20, "restored": True, "person": person}
        rows.append(row | {"crop": [10.0 + 2 * index, 10.0, side]})
    (folder / "plan.json").write_text(json.dumps({"frames": rows, "faces": []}))
    return FoundPlan(recording, folder)


def drawing(x: int, y: int, width: int = 4) -> list[UInt8Array]:
    layer = np.zeros((SIDE, SIDE, 4), np.uint8)
    layer[y : y + width, x : x + width] = (0, 0, 255, 255)
    return [layer]


def corner_and_count(mask: UInt8Array) -> tuple[int, int, int]:
    """x, y of the upper left and the number of pixels that are hidden besides what was found."""
    new = mask.copy()
    new[40:50, 40:50] = 0
    y, x = np.nonzero(new)
    return (int(x.min()), int(y.min()), len(x)) if len(x) else (0, 0, 0)


def test_what_is_drawn_is_hidden_in_its_frame_alone(plan: FoundPlan) -> None:
    assert plan.corrected is None
    assert plan.correct(1, drawing(14, 12), True, THIS) == 1
    assert corner_and_count(plan.mask(1)) == (14, 12, 16)
    assert plan.mask(0).sum() == plan.mask(2).sum() == 100
    assert plan.corrected is not None and len([*plan.corrected.iterdir()]) == COUNT


def test_it_moves_with_the_face_and_grows_with_it(plan: FoundPlan) -> None:
    assert plan.correct(1, drawing(14, 12), True, ALL) == 4
    assert corner_and_count(plan.mask(0)) == (12, 12, 16)
    assert corner_and_count(plan.mask(2)) == (16, 12, 16)
    # Twice as far from the corner of the square, and twice as large.
    x, y, count = corner_and_count(plan.mask(3))
    assert abs(x - 20) <= 1 and abs(y - 14) <= 1 and abs(count - 64) <= 16
    # Nobody knows where it would be where no face was found.
    assert plan.mask(4).sum() == 100


def test_it_may_count_from_a_frame_on(plan: FoundPlan) -> None:
    assert plan.correct(2, drawing(14, 12), True, ON) == 2
    assert plan.mask(1).sum() == 100 < plan.mask(2).sum()


def test_what_was_found_can_be_taken_away(plan: FoundPlan) -> None:
    assert plan.correct(0, drawing(38, 38, 14), False, THIS) == 1
    assert plan.mask(0).sum() == 0 and plan.mask(1).sum() == 100
    # One correction goes on from the other.
    assert plan.correct(0, drawing(2, 2), True, THIS) == 1
    assert plan.mask(0).sum() == 16


def test_nothing_drawn_changes_nothing(plan: FoundPlan) -> None:
    assert plan.correct(0, [], True, ALL) == 0
    assert plan.correct(0, drawing(42, 42), True, THIS) == 0
    assert plan.corrected is None
    with pytest.raises(ValueError, match=r"scope: .*'some frames'"):
        plan.correct(0, [], True, "some frames")


def test_what_is_hidden_is_shown_in_red(plan: FoundPlan) -> None:
    before = plan.look(0)
    assert before.shape == (640, 640, 3) and plan.shown == [0, 1, 2, 3, 4]
    plan.correct(0, drawing(42, 2), True, THIS)
    after = plan.look(0)
    changed = (after != before).any(axis=2)
    assert changed[23:57, 423:457].all() and 1600 <= changed.sum() <= 4900
    assert not changed[:, :400].any()
    assert after[25:55, 425:455, 0].mean() > before[25:55, 425:455, 0].mean()


def test_a_drawing_is_brought_to_the_frames_size() -> None:
    layer = np.zeros((10, 20, 4), np.uint8)
    layer[:5, :10, 3] = 255
    layer[5:, 10:, 3] = 10
    mask = drawn_mask([layer], (100, 200))
    assert mask.shape == (100, 200) and mask[:50, :100].all() and mask.sum() == 5000
