"""Where the landmarker's file is looked for, for all commands alike."""

from pathlib import Path

import pytest

from diffmvr.health.weights import check_landmarker
from diffmvr.landmarker_bundle import BUNDLE_NAME, find_landmarker_bundle
from diffmvr.published_weights import published_weights
from diffmvr.weights import find


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIFFMVR_FACE_LANDMARKER", "DIFFMVR_SHARED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def bundle_in(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / BUNDLE_NAME
    path.write_bytes(b"")
    return path


def found_by_all() -> Path | None:
    """Where a restoration, ``weights where`` and ``doctor`` find it; all say the same."""
    path = find_landmarker_bundle()
    assert find(published_weights()["face_landmarker"]) == path
    assert check_landmarker(None).state == ("note" if path is None else "ok")
    return path


def test_what_is_named_comes_before_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found_by_all() is None
    fetched = bundle_in(tmp_path / "weights")
    assert found_by_all() == fetched.relative_to(tmp_path)
    monkeypatch.setenv("DIFFMVR_SHARED", str(tmp_path))
    assert found_by_all() == fetched.relative_to(tmp_path)
    shared = bundle_in(tmp_path / "models")
    assert found_by_all() == shared
    own = bundle_in(tmp_path / "own")
    monkeypatch.setenv("DIFFMVR_FACE_LANDMARKER", str(own))
    assert found_by_all() == own
    assert find_landmarker_bundle(str(shared)) == shared


def test_a_named_one_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = str(tmp_path / "absent.task")
    bundle_in(tmp_path / "weights")
    with pytest.raises(FileNotFoundError, match=r"^landmarker: no Face Landmarker .*absent\.task"):
        find_landmarker_bundle(absent)
    monkeypatch.setenv("DIFFMVR_FACE_LANDMARKER", absent)
    with pytest.raises(FileNotFoundError, match=r"^DIFFMVR_FACE_LANDMARKER: no Face .*absent"):
        find_landmarker_bundle()
    finding = check_landmarker(None)
    assert finding.state == "warning" and absent in finding.found
