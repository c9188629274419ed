"""Detections, and boxes that are known beforehand."""

from pathlib import Path

import numpy as np
import pytest

from diffmvr.preprocessing.detection import Detections, FixedBox, GivenBoxes, NearestFace, Search
from diffmvr.preprocessing.face_search import find_all
from diffmvr.structures import UInt8Array

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


class TwoFaces(GivenBoxes):
    """A large face on the right and a small one on the left, in whatever is shown."""

    search = Search.NEARBY

    def detect(self, image: UInt8Array) -> Detections:
        boxes = np.array([[16.0, 2, 28, 18], [2, 4, 8, 12]])
        return Detections(boxes, np.array([0.9, 0.8]))


def test_the_face_that_is_pointed_at_is_found_first_and_all_of_them_later() -> None:
    faces = NearestFace(TwoFaces({}), np.array([5.0, 8.0]))
    assert faces.search is Search.NEARBY
    np.testing.assert_array_equal(faces.detect(IMAGE).boxes, [[2, 4, 8, 12]])
    # Once it is followed the tracker chooses: coordinates are those of a part of the frame.
    assert len(faces.detect(IMAGE)) == 2
    faces.close()
    assert faces.detect(IMAGE).scores.tolist() == [0.8], "after a cut it is looked for again"
    far = NearestFace(TwoFaces({}), np.array([5.0, 300.0]))
    assert len(far.detect(IMAGE)) == 0, "whom nobody has pointed at is not restored"
    np.testing.assert_array_equal(find_all(faces, IMAGE)[:, 0], [2, 16])
    assert len(find_all(FixedBox(np.array([1.0, 2, 3, 4])), IMAGE)) == 0


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
