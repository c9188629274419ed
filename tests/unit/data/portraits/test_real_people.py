"""Portraits of real people: what a landmarker sees in the frames that were made of them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffmvr.data.portraits import PortraitClips
from diffmvr.data.portraits.anatomy import LIDS
from diffmvr.data.portraits.camera import plain_camera
from diffmvr.data.portraits.clip import film
from diffmvr.data.portraits.motion import still
from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.preprocessing.landmarks import FaceLandmarker

SHARED = os.environ.get("DIFFMVR_SHARED")
pytestmark = pytest.mark.skipif(
    not SHARED, reason="pictures of people are not in the repository: set DIFFMVR_SHARED"
)
PEOPLE = ("001", "022", "094", "130")
OPEN, SHUT, SMILING, TURNED = range(4)
SMILE = (44, 45)
"""MediaPipe's blendshapes mouthSmileLeft and mouthSmileRight."""


@pytest.fixture(scope="module")
def people() -> PortraitClips:
    return PortraitClips(Path(str(SHARED)) / "data" / "london", size=128, clips_per_subject=1)


def test_what_is_made_is_what_a_landmarker_sees(people: PortraitClips) -> None:
    bundle = find_landmarker_bundle(None)
    assert bundle is not None
    finder = FaceLandmarker(bundle, video=False, blendshapes=True)
    motion = replace(
        still(4),
        blink=np.array([0.0, 1.0, 0.0, 0.0]),
        smile=np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        turn=np.array([[0.0] * 3] * 3 + [[0.12, 0.0, 0.1]]),
    )
    camera = plain_camera(4, np.array([[0.21, 0.0, 0.5], [0.0, 0.21, 0.4]]))
    left_open, gained, errors = [], [], []
    for person in PEOPLE:
        pair = next(pair for pair, _ in people._scenes if pair.person == person)
        scenes, landmarks = film(people.portrait(pair, False), motion, camera, 128)
        faces = [finder.find(np.rint(scene).astype(np.uint8)) for scene in scenes]
        assert all(face is not None for face in faces)
        points = np.stack([face.points for face in faces])
        gaps = [np.mean([p[list(d), 1] - p[list(u), 1] for u, d in LIDS]) for p in points]
        left_open.append(gaps[SHUT] / gaps[OPEN])
        shown = [sum(face.blendshapes[index] for index in SMILE) for face in faces]
        gained.append(shown[SMILING] - shown[OPEN])
        unit = 0.21 * 128
        errors.append(np.linalg.norm(points - landmarks, axis=2).mean(axis=1) / unit)
    # Closed eyes, a smile, and landmarks where the clip says they are: a fiftieth of the distance
    # between the eyes is half a pixel.
    assert max(left_open) < 0.2
    assert min(gained) > 0.5
    assert np.median(np.array(errors)[:, [OPEN, SMILING, TURNED]]) < 0.04


def test_fifteen_people_of_the_london_set_are_kept_for_tests(people: PortraitClips) -> None:
    assert people.test_people == (
        *("004", "014", "016", "024", "026", "034", "037", "044"),
        *("062", "069", "070", "114", "124", "129", "131"),
    )
