"""Where a face is looked for depends on how its detector searches."""

import numpy as np
from tests.helpers.detectors import Discs, disc_frames

from diffmvr.preprocessing.detection import FixedBox, Search
from diffmvr.preprocessing.face_search import find_anywhere, find_faces
from diffmvr.preprocessing.frame_source import Frame

FRAME = Frame(3, 3, 1, disc_frames([(90, 70)], others=((20, 20, 14),))[0])
SQUARE = np.array([88.0, 72, 40])


class ByLandmarks(Discs):
    search = Search.LANDMARKS


def test_before_a_face_is_seen_the_whole_frame_is_searched() -> None:
    for faces in (Discs(), ByLandmarks()):
        assert len(find_faces(faces, FRAME, None)) == 2


def test_a_face_that_was_seen_is_looked_for_around_its_place() -> None:
    found = find_faces(Discs(), FRAME, SQUARE)
    np.testing.assert_array_equal(found.boxes, [[70, 50, 110, 90]])


def test_where_landmarks_tell_the_detector_is_not_asked_again() -> None:
    faces = ByLandmarks()
    assert len(find_faces(faces, FRAME, SQUARE)) == 0 and faces.calls == 0
    assert len(find_anywhere(faces, FRAME)) == 2


def test_boxes_known_by_number_need_no_search() -> None:
    faces = FixedBox(np.array([1.0, 2, 3, 4]))
    assert len(find_faces(faces, FRAME, SQUARE)) == 1
    assert len(find_anywhere(faces, FRAME)) == 0


def test_a_place_outside_the_frame_shows_no_face() -> None:
    assert len(find_faces(Discs(), FRAME, np.array([-200.0, 70, 40]))) == 0
