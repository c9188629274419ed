"""What belongs to a recording is found by its name."""

from pathlib import Path

import pytest

from diffmvr.preprocessing.companions import find_beside
from diffmvr.preprocessing.layouts import Recording, find_recordings

ANNA = Recording("anna", Path("anna.mp4"), subject="anna")


def test_without_a_path_masks_are_those_beside_the_recording(tmp_path: Path) -> None:
    davis = Recording("bear", tmp_path, subject="bear", masks=tmp_path / "masks")
    assert find_beside(None, davis, 1, "masks") == tmp_path / "masks"
    assert find_beside(None, davis, 1, "boxes") is None


def test_the_path_is_the_only_recordings_own(tmp_path: Path) -> None:
    assert find_beside(str(tmp_path), ANNA, 1, "masks") == tmp_path
    (tmp_path / "all.csv").touch()
    assert find_beside(str(tmp_path / "all.csv"), ANNA, 1, "boxes") == tmp_path / "all.csv"


def test_in_a_folder_each_recording_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "anna.csv").touch()
    (tmp_path / "anna.mkv").touch()
    assert find_beside(str(tmp_path), ANNA, 2, "boxes") == tmp_path / "anna.csv"
    assert find_beside(str(tmp_path), ANNA, 1, "boxes") == tmp_path / "anna.csv"
    assert find_beside(str(tmp_path), ANNA, 2, "masks") == tmp_path / "anna.mkv"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"masks: there is no file or folder .*gone"):
        find_beside(str(tmp_path / "gone"), ANNA, 1, "masks")
    with pytest.raises(FileNotFoundError, match=r"boxes: .* holds nothing called 'anna'"):
        find_beside(str(tmp_path), ANNA, 2, "boxes")


@pytest.mark.parametrize("stem", ["a:b", "clip?", "\u00e9\u6f22" * 40])
def test_masks_and_boxes_called_like_the_file_are_found(tmp_path: Path, stem: str) -> None:
    for folder, names in (("in", [f"{stem}.mp4", "z.mp4"]), ("beside", [f"{stem}.csv"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    recording = next(r for r in find_recordings(tmp_path / "in") if r.path.stem == stem)
    beside = tmp_path / "beside"
    (beside / f".{stem}.png").touch()
    (beside / f"{stem}.png").touch()
    assert find_beside(str(beside), recording, 2, "masks") == beside / f"{stem}.png"
    assert find_beside(str(beside), recording, 2, "boxes") == beside / f"{stem}.csv"
    (beside / f"{stem}.png").unlink()
    (beside / stem).mkdir()
    assert find_beside(str(beside), recording, 2, "masks") == beside / stem
