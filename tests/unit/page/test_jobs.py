"""A command that runs for the page, with small programs in its place."""

import sys
from pathlib import Path

import pytest

from diffmvr.page import jobs
from diffmvr.page.jobs import Job, Progress


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The argument is a program of Python instead of a command's."""
    start = jobs.subprocess.Popen

    def popen(words: list[str], **options: object) -> object:
        assert words[:4] == [sys.executable, "-P", "-m", "diffmvr.restore"]
        return start([sys.executable, "-u", "-c", words[4]], **options)

    monkeypatch.setattr(jobs.subprocess, "Popen", popen)


def run(program: str, folder: Path) -> Job:
    job = Job("restore", [program], folder)
    assert job.wait(30)
    return job


def test_progress_and_notes_are_read(tmp_path: Path) -> None:
    lines = "starting", "finding faces: 4 of 8 frames, 2 frames/s", "note: a face is cut off"
    job = run(f"print({chr(10).join(lines)!r})", tmp_path)
    assert job.succeeded and not job.running and not job.cancelled
    progress = job.progress
    assert (progress.stage, progress.done, progress.total) == ("finding faces", 4, 8)
    assert progress.share == 0.5 and job.notes == ["a face is cut off"]


def test_a_stage_that_has_not_begun_does_not_hide_the_one_that_runs(tmp_path: Path) -> None:
    lines = ["finding faces: 4 of 8 frames", "restoring: 0 of 8 frames"]
    told = run(f"print({chr(10).join(lines)!r})", tmp_path).progress
    assert (told.stage, told.done) == ("finding faces", 4)
    lines[:0] = ["finding faces: 8 of 8 frames"]
    told = run(f"print({chr(10).join([lines[0], lines[2]])!r})", tmp_path).progress
    assert (told.stage, told.done) == ("restoring", 0)


def test_a_total_that_nobody_knows_has_no_share() -> None:
    assert Progress("restoring", 3, None, 1.0).share is None
    assert Progress("restoring", 9, 8, 1.0).share == 1


def test_an_error_is_told_without_where_this_machine_keeps_things(tmp_path: Path) -> None:
    job = run(
        f"import sys; print('error: input: {tmp_path}/a.mp4 is no video\\x1b[31m'); sys.exit(2)",
        tmp_path,
    )
    assert not job.succeeded and job.error == r"input: a.mp4 is no video\x1b[31m"


def test_a_crash_is_told_by_its_last_line(tmp_path: Path) -> None:
    job = run("raise RuntimeError('out of luck')", tmp_path)
    assert job.error == "the command ended with code 1: RuntimeError: out of luck"


def test_cancel_lets_it_clean_up(tmp_path: Path) -> None:
    job = Job(
        "restore",
        [
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(open('done', 'w').write('') or 9))\n"
            "print('restoring: 1 of 2 frames'); time.sleep(60)"
        ],
        tmp_path,
    )
    while job.progress.stage != "restoring":
        assert not job.wait(0.05)
    job.cancel()
    assert job.cancelled and not job.running and (tmp_path / "done").exists()
    # What has ended is not cancelled.
    again = run("pass", tmp_path)
    again.cancel()
    assert not again.cancelled and again.succeeded


def test_one_that_does_not_listen_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0.2)
    job = Job(
        "restore",
        [
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('restoring: 1 of 2 frames'); time.sleep(60)"
        ],
        tmp_path,
    )
    while job.progress.stage != "restoring":
        assert not job.wait(0.05)
    job.cancel()
    assert not job.running
