"""A hash follows the content, and an output folder holds finished results or nothing."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from diffmvr.files import (
    BusyError,
    below,
    hash_files,
    read_json,
    replace_folder,
    staged_output,
    write_json,
)

HOLDER = """
import sys
from pathlib import Path
from diffmvr.files import replace_folder, staged_output
folder = Path(sys.argv[2])
with {lend}(folder) as new:
    (new / "half").touch()
    {then}
    print("ready", flush=True)
    sys.stdin.readline()
"""


def start(
    lend: Callable[..., AbstractContextManager[Path]], output: Path, then: str = ""
) -> "subprocess.Popen[str]":
    """Start another process that writes into an output folder until it is told to end."""
    code = HOLDER.format(lend=lend.__name__, then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-", str(output)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def killed_while(
    lend: Callable[..., AbstractContextManager[Path]], output: Path, then: str = ""
) -> None:
    process = start(lend, output, then)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


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
        assert {path.name for path in output.iterdir()} == {".partial"}

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


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    output = tmp_path / "out"
    killed_while(staged_output, output)
    assert names(output) == [
        *(".partial", ".partial/.lock", ".partial/job.txt", ".partial/new"),
        ".partial/new/half",
    ]
    with staged_output(output) as staging:
        assert names(staging) == []
        (staging / "whole").touch()
    assert names(output) == ["whole"]


def test_what_an_older_version_left_is_cleared_too(tmp_path: Path) -> None:
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "video.mp4").write_text("half")
    with staged_output(tmp_path) as staging:
        (staging / "whole").touch()
    assert names(tmp_path) == ["whole"]


@pytest.mark.parametrize("lend", [staged_output, replace_folder])
def test_two_jobs_never_share_an_output_and_the_other_is_named(
    tmp_path: Path, lend: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    output = tmp_path / "out"
    process = start(lend, output)
    try:
        message = rf"output: .*out is being written by another job \(process {process.pid} on .+\)"
        with pytest.raises(BusyError, match=message), lend(output):
            pytest.fail("must not be entered")
    finally:
        said, _ = process.communicate("go on\n", timeout=60)
    assert process.returncode == 0 and said == ""
    assert names(tmp_path) == ["out", "out/half"], "the other one ended well"


def test_a_link_in_place_of_the_work_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".partial").symlink_to(tmp_path / "mine")
    message = r"output: .*out: \.partial is a link"
    with pytest.raises(ValueError, match=message), staged_output(tmp_path / "out"):
        pytest.fail("must not be entered")
    assert names(tmp_path / "mine") == ["kept"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "model"
    for content in ("first", "second"):
        with replace_folder(folder) as new:
            (new / content).touch()
        assert names(tmp_path) == ["a", "a/model", f"a/model/{content}"]


def test_a_folder_that_cannot_be_replaced_is_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(RuntimeError), replace_folder(tmp_path / "a" / "b") as new:
        raise RuntimeError
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(KeyboardInterrupt), replace_folder(folder) as new:
        (new / "half").touch()
        raise KeyboardInterrupt
    message = r"output: .*model is not empty"
    with pytest.raises(ValueError, match=message), replace_folder(folder, overwrite=False):
        pytest.fail("must not be entered")
    assert names(tmp_path) == ["model", "model/kept"]


def test_a_kill_between_the_two_moves_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "kept").touch()
    killed_while(replace_folder, folder, "folder.rename(folder.parent/'.model.partial'/'old')")
    assert not folder.exists()
    with pytest.raises(RuntimeError), replace_folder(folder):
        raise RuntimeError
    assert names(tmp_path) == ["model", "model/kept"]


def test_a_link_to_a_folder_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "kept").touch()
    (tmp_path / "model").symlink_to(tmp_path / "store")
    with replace_folder(tmp_path / "model") as new:
        (new / "new").touch()
    assert names(tmp_path) == ["model", "model/new", "store", "store/kept"]


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
