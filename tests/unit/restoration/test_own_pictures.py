"""A user's own pictures: the face in each, and what a report calls them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.helpers.detectors import ColourBackends, disc_frames

from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.restoration.own_pictures import read_pictures


@pytest.fixture(autouse=True)
def _colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces are bright discs."""
    chosen = "diffmvr.restoration.own_pictures.choose_backends"
    monkeypatch.setattr(chosen, lambda **_: ColourBackends(mask="none"))


def saved(path: Path, centre: tuple[float, float] | None) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(disc_frames([centre])[0]).save(path)
    return path


def test_the_face_of_each_picture_is_found_and_its_name_tells_no_folder(tmp_path: Path) -> None:
    paths = [
        saved(tmp_path / "x" / "a.png", (60, 70)),
        saved(tmp_path / "b.png", (110, 60)),
        saved(tmp_path / "y" / "a.png", (90, 70)),
    ]
    found = read_pictures(paths, 32, None, None)

    assert [one.name for one in found] == ["a.png (picture 1)", "b.png", "a.png (picture 3)"]
    assert [one.small.index for one in found] == [-1, -2, -3]
    for one in found:
        assert one.small.picture.mask.shape == (32, 32)
        # The disc is where the face is, wherever it lies in the picture.
        assert np.abs(one.small.picture.image[16, 16].astype(int) - [240, 220, 40]).max() < 3
    hidden_names = [one.name for one in read_pictures(paths, 32, None, None, anonymous=True)]
    assert hidden_names == ["given 1", "given 2", "given 3"]


def test_a_picture_without_a_face_is_refused_by_name(tmp_path: Path) -> None:
    paths = [saved(tmp_path / "a.png", (60, 70)), saved(tmp_path / "wall.png", None)]
    with pytest.raises(ValueError, match=r"^guides\.past: .* no face is found in wall\.png; give "):
        read_pictures(paths, 32, None, None)
    with pytest.raises(FileNotFoundError, match=r"guides\.past: there is no file .*gone\.png"):
        read_pictures([tmp_path / "gone.png"], 32, None, None)


def test_landmarks_place_the_face_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = np.random.default_rng(0).uniform(40, 90, (478, 2))

    class Landmarker:
        def __init__(self, bundle: Path, **options: Any) -> None:
            assert options == {"video": False}, "pictures are of different moments"

        def detect(self, image: np.ndarray) -> np.ndarray:
            return points

    monkeypatch.setattr("diffmvr.restoration.own_pictures.FaceLandmarker", Landmarker)
    (one,) = read_pictures([saved(tmp_path / "a.png", None)], 32, tmp_path / "bundle", None)
    face = track_from_landmarks([points], (144, 192)).similarity[0]
    # In the pictures' own pixels by the same factor and turn.
    np.testing.assert_allclose(
        one.native.face[:, :2] / np.linalg.norm(one.native.face[:, 0]),
        face[:, :2] / np.linalg.norm(face[:, 0]),
        atol=1e-9,
    )


def test_where_nothing_finds_faces_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(**_: Any) -> None:
        raise ValueError("face: no face detector is installed: pip install 'diffmvr[detect]'")

    monkeypatch.setattr("diffmvr.restoration.own_pictures.choose_backends", nothing)
    with pytest.raises(ValueError, match=r"guides\.past: the face .*: face: no face detector is "):
        read_pictures([saved(tmp_path / "a.png", (60, 70))], 32, None, None)
