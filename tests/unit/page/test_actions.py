"""What the buttons do, without a browser and without a model."""

from pathlib import Path
from typing import Any

import pytest

from diffmvr.page import actions
from diffmvr.page.actions import CancelledError, cancel, restore_arguments, run
from diffmvr.page.jobs import Progress
from diffmvr.page.settings import AppSettings
from diffmvr.page.workspace import Workspace


class FakeJob:
    """A command that runs for three looks, or until it is cancelled."""

    error = "mask: none is given"

    def __init__(self, module: str, arguments: list[str], folder: Path) -> None:
        self.looks, self.cancelled, self.told = 3, False, arguments
        self.succeeded = "fail" not in arguments

    @property
    def running(self) -> bool:
        return self.looks > 0

    @property
    def progress(self) -> Progress:
        return Progress("restoring", 3 - self.looks, 3, 1.0)

    def wait(self, seconds: float) -> bool:
        self.looks -= 1
        return self.looks < 0 or self.cancelled

    def cancel(self) -> None:
        if self.running:
            self.looks, self.cancelled = 0, True


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(actions, "Job", FakeJob)
    made = Workspace(tmp_path / "visitor")
    (made.root / "recordings" / "a.mp4").write_bytes(b"film")
    return made


def test_the_command_is_told_what_was_chosen(space: Workspace) -> None:
    settings = AppSettings(device="cpu", threads=2)
    told = restore_arguments(space, "a.mp4", settings)
    assert told == [
        *("input=recordings/a.mp4", "output=results/a.mp4", "concat=true", "overlay=doubt"),
        *("device=cpu", "threads=2"),
    ]
    more = restore_arguments(space, "a.mp4", settings, pictures=["b.png", "c.png"], mark=True)
    assert more[len(told) :] == ["guides.past=[pictures/b.png,pictures/c.png]", "mark=corner"]
    mask = space.root / "masks"
    assert restore_arguments(space, "a.mp4", settings, mask=mask)[-1] == "mask=masks"


def test_the_face_that_was_chosen_is_told_to_both_commands(space: Workspace) -> None:
    space.plan("a.mp4").mkdir(parents=True)
    space.choose_face("a.mp4", (40, 25))
    assert not space.plan("a.mp4").exists(), "what was found of another face is forgotten"
    assert restore_arguments(space, "a.mp4", AppSettings())[-1] == "face_at=[40,25]"
    with pytest.raises(FileNotFoundError, match=r"plan\.json"):
        # The command that is no command has written none.
        list(actions.look(space, "a.mp4", AppSettings()))
    assert isinstance(space.job, FakeJob) and space.job.told[-1] == "face_at=[40,25]"
    space.choose_face("a.mp4", None)
    assert "face_at" not in str(restore_arguments(space, "a.mp4", AppSettings()))


def test_it_runs_to_its_end(space: Workspace) -> None:
    assert [one.done for one in run(space, "restore", [])] == [1, 2, 3]


def test_its_words_are_told_if_it_fails(space: Workspace) -> None:
    with pytest.raises(ValueError, match=r"^mask: none is given$"):
        list(run(space, "restore", ["fail"]))


def test_it_can_be_cancelled(space: Workspace) -> None:
    running = run(space, "restore", [])
    next(running)
    assert cancel(space)
    with pytest.raises(CancelledError):
        list(running)
    assert not cancel(space)


def test_it_ends_when_nobody_listens_any_more(space: Workspace) -> None:
    running: Any = run(space, "restore", [])
    next(running)
    running.close()
    assert space.job is not None and not space.job.running


def test_one_runs_at_a_time(space: Workspace) -> None:
    running = run(space, "restore", [])
    next(running)
    with pytest.raises(ValueError, match="something runs already"):
        next(run(space, "restore", []))


def test_a_result_that_is_not_there_is_told(space: Workspace) -> None:
    with pytest.raises(ValueError, match=r"a\.mp4: it is not restored yet"):
        actions.result(space, "a.mp4")
