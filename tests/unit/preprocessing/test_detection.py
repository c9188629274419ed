"""Detections, and boxes that are known beforehand."""

from pathlib import Path

import numpy as np
import pytest

from diffmvr.preprocessing.detection import Detections, FixedBox, GivenBoxes

IMAGE = np.zeros((20, 30, 3), np.uint8)


def test_scores_and_masks_must_fit_the_boxes() -> None:
    assert len(Detections.none()) == 0
    with pytest.raises(ValueError, match=r"scores: expected shape \(1\), got \(2,\)"):
        Detections(np.zeros((1, 4)), np.zeros(2))
    with pytest.raises(ValueError, match=r"masks: expected shape \(1, any, any\), got \(2, 4, 4\)"):
        Detections(np.zeros((1, 4)), np.zeros(1), np.zeros((2, 4, 4), np.uint8))


def test_boxes_of_a_table_are_found_by_the_frames_number(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("frame,x0,y0,x1,y1\n3,1,2,11,12\n3,5,5,6,6\n7,2,2,9,9\n")
    given = GivenBoxes.from_file(table)

    given.seek(3)
    np.testing.assert_array_equal(given.detect(IMAGE).boxes, [[1, 2, 11, 12], [5, 5, 6, 6]])
    assert len(given.detect(IMAGE)) == 0, "frame 4"
    given.seek(7)
    assert given.detect(IMAGE).scores.tolist() == [1.0]


def test_a_fixed_box_is_in_every_frame() -> None:
    fixed = FixedBox(np.array([1.0, 2, 3, 4]))
    fixed.seek(99)
    np.testing.assert_array_equal(fixed.detect(IMAGE).boxes, [[1, 2, 3, 4]])


def test_tables_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"boxes: there is no file .*gone\.csv"):
        GivenBoxes.from_file(tmp_path / "gone.csv")
    (tmp_path / "a.csv").write_text("frame,left\n1,2\n")
    with pytest.raises(ValueError, match=r"boxes: .*a\.csv is not a table with columns frame, x0"):
        GivenBoxes.from_file(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("frame,x0,y0,x1,y1\n1,9,2,3,4\n")
    with pytest.raises(
        ValueError, match=r"boxes of frame 1: expected .*, got \[9.0, 2.0, 3.0, 4.0\]"
    ):
        GivenBoxes.from_file(tmp_path / "b.csv")
