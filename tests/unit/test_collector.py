"""What a command imports is no work for the garbage collector; other programs are left alone."""

import gc
from collections.abc import Iterator

import pytest
from omegaconf import OmegaConf
from tests.unit.test_public_api import loaded_after

from diffmvr.cli import _checked
from diffmvr.collector import collector_paused, pause_collector, resume_collector


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    assert gc.isenabled() and gc.get_freeze_count() == 0
    yield
    gc.enable()
    gc.unfreeze()


def test_what_came_while_paused_is_never_looked_at() -> None:
    pause_collector()
    assert not gc.isenabled()
    resume_collector()
    assert gc.isenabled() and gc.get_freeze_count() > 1000
    before = gc.get_freeze_count()
    with collector_paused():
        assert not gc.isenabled()
        kept = [[k] for k in range(100)]
    assert gc.isenabled() and gc.get_freeze_count() >= before + len(kept)


def test_a_program_that_is_no_command_keeps_its_collector() -> None:
    resume_collector()
    with pytest.raises(ImportError), collector_paused():
        raise ImportError("absent")
    assert gc.isenabled() and gc.get_freeze_count() == 0
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()


def test_importing_the_package_leaves_the_collector_on() -> None:
    assert loaded_after("import diffmvr, gc; assert gc.isenabled()", []) == []


def test_a_command_collects_garbage_as_soon_as_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    # The settings of no command.
    monkeypatch.setattr("diffmvr.cli.check_kinds", lambda cfg: None)
    pause_collector()
    assert _checked(lambda cfg: gc.isenabled())(OmegaConf.create({}))
