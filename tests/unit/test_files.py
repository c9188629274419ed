"""A hash follows the content, and an output folder holds finished results or nothing."""

import hashlib
import os
from pathlib import Path

import pytest

from diffmvr.files import below, hash_files, read_json, staged_output, write_json


def test_a_file_is_named_as_sha256sum_does(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(range(256)) * 5000)
    assert hash_files(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"second")
    (tmp_path / "a").write_bytes(b"first")
    assert hash_files(tmp_path) == hashlib.sha256(b"firstsecond").hexdigest()


def test_the_hash_of_weights_follows_their_content(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"a")
    before = hash_files(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    assert hash_files(tmp_path) == before
    (tmp_path / "weights").write_bytes(b"b")
    assert hash_files(tmp_path) != before


def names(folder: Path) -> list[str]:
    """Return everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_results_appear_at_the_end(tmp_path: Path) -> None:
    output = tmp_path / "a" / "out"
    with staged_output(output) as staging:
        (staging / "frames").mkdir()
        (staging / "frames" / "0.png").write_text("x")
        (staging / "report.json").write_text("{}")
        assert {path.name for path in output.iterdir()} == {staging.name}

    assert names(output) == ["frames", "frames/0.png", "report.json"]


def test_after_an_error_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staged_output(tmp_path / "a" / "b" / "out") as staging:
        (staging / "video.mp4").write_text("half")
        raise RuntimeError

    assert names(tmp_path) == []


def test_an_empty_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt), staged_output(tmp_path / "out") as staging:
        (staging / "video.mp4").write_text("half")
        raise KeyboardInterrupt

    assert names(tmp_path) == ["out"]


def test_a_folder_with_content_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")

    message = r"output: .* is not empty; give a new folder"
    with pytest.raises(ValueError, match=message), staged_output(tmp_path):
        pytest.fail("must not be entered")

    assert names(tmp_path) == ["mine.txt"]


def test_what_a_killed_run_left_is_named(tmp_path: Path) -> None:
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "video.mp4").write_text("half")

    message = r"output: .* holds \.partial, of a run that is at work there or was killed"
    with pytest.raises(ValueError, match=message), staged_output(tmp_path):
        pytest.fail("must not be entered")

    assert names(tmp_path) == [".partial", ".partial/video.mp4"], "it may be at work"


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("kept")

    with (
        pytest.raises(ValueError, match=r"output: .*out is a file"),
        staged_output(tmp_path / "out"),
    ):
        pytest.fail("must not be entered")

    assert (tmp_path / "out").read_text() == "kept"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    output = tmp_path / "file" / "out"
    message = r"output: cannot write to .*file/out"
    with pytest.raises(ValueError, match=message), staged_output(output):
        pytest.fail("must not be entered")

    assert names(tmp_path) == ["file"]


def test_a_file_is_not_written_through_a_link_that_lies_there(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("four years")
    (tmp_path / f".new.json.{os.getpid()}.partial").symlink_to(precious)
    write_json(tmp_path / "new.json", [1])
    assert precious.read_text() == "four years"
    assert read_json(tmp_path / "new.json") == [1]
    assert not (tmp_path / "new.json").is_symlink()


def test_below_follows_names_and_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "inner")
    for inside in ("new", "inner/new", "in/new", "inner/../new"):
        assert below(root, root / inside) == root / inside
    for outside in ("", "..", "out/new", "../root2", str(tmp_path)):
        with pytest.raises(ValueError, match=f"expected a place below {root}"):
            below(root, root / outside)
