"""Which detectors are used of what is there, and what is said where one is missing."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from diffmvr.config import weights_dir
from diffmvr.preprocessing import backends
from diffmvr.preprocessing.backends import Backends, choose_backends
from diffmvr.preprocessing.detection import FixedBox, GivenBoxes


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    monkeypatch.setattr(backends, "shipped_detector", lambda task: None)


def install(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Pretend that these packages are installed and no others."""
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: object() if name in packages else None
    )


def test_auto_takes_the_first_that_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backends, "shipped_detector", lambda task: tmp_path / task)
    bundle = tmp_path / "face_landmarker.task"
    install(monkeypatch, "ultralytics", "mediapipe")

    assert choose_backends(mask="none", landmarker=bundle, boxes=True).face == "given"
    assert choose_backends(mask="none", landmarker=bundle).face == "mediapipe"
    assert choose_backends(mask="none").face == "yolo"
    chosen = choose_backends(mask="segmentation", landmarker=bundle)
    assert chosen.occluder_weights == tmp_path / "occluder_seg"
    assert set(chosen.weights) == {"segmentation", "landmarker"}


def test_a_detector_that_is_named_is_used_and_a_broken_one_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, "ultralytics", "mediapipe")
    bundle, own = tmp_path / "face_landmarker.task", tmp_path / "own"
    shutil.copytree(weights_dir() / "detectors" / "face", own)
    assert choose_backends(mask="none", landmarker=bundle, face_weights=own).face == "yolo"
    (own / "model.yaml").write_text("nc: 1")
    with pytest.raises(ValueError, match=r"detector: .*model\.yaml: scales: expected"):
        choose_backends(mask="none", landmarker=bundle, face_weights=own)
    (own / "model.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"detector: .* has no model\.yaml"):
        choose_backends(mask="bbox", landmarker=bundle, occluder_weights=own)
    with pytest.raises(ValueError, match=r"trusted: expected true for .*own\.pt"):
        choose_backends(mask="none", face_weights=tmp_path / "own.pt")
    # What is not used is not asked.
    assert choose_backends(mask="none", face_weights=own, boxes=True).face == "given"


def test_without_a_face_detector_the_remedies_are_named() -> None:
    with pytest.raises(ValueError, match=r"face: no face detector is installed: give landmarker="):
        choose_backends(mask="none")


def test_without_a_detector_of_occluders_the_remedies_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"mask: bbox needs a detector and none is .* mask=given"):
        choose_backends(mask="bbox", boxes=True)
    with pytest.raises(ValueError, match=r"mask: bbox needs ultralytics.*diffmvr\[detect\]"):
        choose_backends(mask="bbox", boxes=True, occluder_weights=tmp_path)


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match=r"face: expected one of .*, got 'eyes'"):
        choose_backends("eyes")
    with pytest.raises(ValueError, match=r"mask: expected one of .*, got 'magic'"):
        choose_backends(mask="magic")


def test_given_boxes_come_from_a_file_or_are_one_for_all(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("frame,x0,y0,x1,y1\n0,1,2,11,12\n")
    given = Backends("given", "none")

    assert isinstance(given.open_scanner(table).faces, GivenBoxes)
    assert isinstance(given.open_scanner(np.array([1.0, 2, 3, 4])).faces, FixedBox)
    with pytest.raises(ValueError, match=r"boxes: face=given needs a table of boxes .*, got none"):
        given.open_scanner()
