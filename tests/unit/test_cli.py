"""A user's mistake is one line and exit code 2; a bug is a traceback."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.cli import INTERRUPTED, USAGE_ERROR, entry_point, run_cli
from diffmvr.files import staged_output
from diffmvr.signals import ENDING


def raising(error: Exception):
    @run_cli
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    "error", [ValueError("window: 3 is odd"), FileNotFoundError("window: 3 is odd")]
)
def test_a_users_mistake_is_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        raising(error)()
    assert stop.value.code == USAGE_ERROR == 2
    captured = capsys.readouterr()
    assert captured.err == "error: window: 3 is odd\n" and captured.out == ""


def test_a_file_that_may_not_be_used_is_told_with_a_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        raising(PermissionError(errno.EACCES, "Permission denied", "/store"))()
    told = "error: /store: permission denied; give what you may read, and a folder that you may wr"
    assert capsys.readouterr().err.startswith(told)


def test_hydras_wrapping_is_taken_off(capsys: pytest.CaptureFixture[str]) -> None:
    @run_cli
    def command() -> None:
        instantiate({"_target_": "diffmvr.losses.MotionConsistencyLoss", "weight": -1.0})

    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: weight: λ must not be negative, got -1.0\n"


def test_a_constructor_deep_in_a_config_is_heard_too(capsys: pytest.CaptureFixture[str]) -> None:
    @run_cli
    def command() -> None:
        instantiate(
            {
                "_target_": "builtins.dict",
                "inner": {"_target_": "diffmvr.losses.DenoisingLoss", "hole_weight": 0.0},
            }
        )

    with pytest.raises(SystemExit):
        command()
    assert capsys.readouterr().err == "error: hole_weight: expected at least 1, got 0.0\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(KeyError):
        raising(KeyError("x"))()
    with pytest.raises(InstantiationException):
        raising(InstantiationException("no such target"))()

    @run_cli
    def command() -> None:
        instantiate({"_target_": "diffmvr.losses.MotionConsistencyLoss", "lambda": 1.0})

    with pytest.raises(InstantiationException, match="unexpected keyword argument"):
        command()


def test_a_result_passes_through() -> None:
    @run_cli
    def command(value: int) -> int:
        """Double."""
        return 2 * value

    assert command(3) == 6 and command.__doc__ == "Double."


def test_a_setting_that_is_needed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    @run_cli
    def command(cfg: DictConfig) -> str:
        return cfg.data.annotations

    with pytest.raises(SystemExit) as stop:
        command(OmegaConf.create({"data": {"annotations": "???"}}))
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: data.annotations: expected a value, got none")


def test_a_setting_that_another_stands_for_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    @run_cli
    def command(cfg: DictConfig) -> str:
        return cfg.output

    with pytest.raises(SystemExit) as stop:
        command(OmegaConf.create({"output": "${ward} 7"}))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: output: Interpolation key 'ward' not found; ${…} stands for")


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @run_cli
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == INTERRUPTED == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.fixture
def default_handlers() -> Iterator[None]:
    """The handlers of a fresh process, whatever started this one (nohup ignores SIGHUP)."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    after = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert set(after.values()) == {signal.SIG_DFL}, "a command leaves the handlers as they were"


@pytest.mark.usefixtures("default_handlers")
@pytest.mark.parametrize("number", ENDING)
def test_a_scheduler_and_a_closed_terminal_end_a_command_like_ctrl_c(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @run_cli
    def command() -> None:
        with staged_output(tmp_path / "out") as staging:
            (staging / "half").touch()
            try:
                os.kill(os.getpid(), number)
                pytest.fail("must have ended")
            finally:
                # Impatience does not break off the cleaning up.
                os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 128 + number
    assert capsys.readouterr().err == f"\ninterrupted by {signal.Signals(number).name}\n"
    assert list(tmp_path.iterdir()) == [], "nothing blocks the next run"


@pytest.mark.usefixtures("default_handlers")
def test_a_command_within_another_says_once_that_it_was_interrupted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @run_cli
    @run_cli
    def command() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "\ninterrupted by SIGTERM\n"


@pytest.mark.usefixtures("default_handlers")
@pytest.mark.parametrize("number", ENDING)
def test_a_librarys_own_handler_decides_and_the_exit_code_still_tells(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = []

    @run_cli
    def command() -> None:
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        # As Lightning does: note it, call the one before, end when the step is done, with code 0.
        signal.signal(signal.SIGTERM, lambda *given: (steps.append("noted"), ours(*given)))
        try:
            os.kill(os.getpid(), number)
            steps.append("step done")
            raise SystemExit
        finally:
            signal.signal(signal.SIGTERM, ours)

    with pytest.raises(SystemExit) as stop:
        command()
    assert steps == ["noted", "step done"] and stop.value.code == 128 + number
    assert "interrupted by" in capsys.readouterr().err


@pytest.mark.usefixtures("default_handlers")
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    @run_cli
    def command() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        return "done"

    try:
        assert command() == "done", "as under nohup"
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_library_that_turns_ctrl_c_into_an_exit_code_is_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @run_cli
    def command(code: int) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(code)

    with pytest.raises(SystemExit) as stop:
        command(1)
    assert stop.value.code == INTERRUPTED and capsys.readouterr().err == "\ninterrupted\n"
    with pytest.raises(SystemExit) as stop:
        run_cli(sys.exit)(3)
    assert stop.value.code == 3 and capsys.readouterr().err == ""


def test_a_lack_of_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        raising(MemoryError("unable to allocate 40 GiB"))()
    assert stop.value.code == USAGE_ERROR
    assert capsys.readouterr().err == "error: out of memory: unable to allocate 40 GiB\n"


def test_what_is_no_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @entry_point("merge")
    def command(cfg: DictConfig) -> None:
        raise AssertionError(cfg)

    monkeypatch.setattr(sys, "argv", ["merge", "--config-name", "merge", "outputs/evaluation"])
    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: outputs/evaluation: expected key=value")


def test_help_tells_what_the_settings_mean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @entry_point("restore", "restore")
    def command(cfg: DictConfig) -> None:
        raise AssertionError(cfg)

    monkeypatch.setattr(sys, "argv", ["restore", "--help"])
    command()
    told = capsys.readouterr().out
    assert told.startswith("# python -m diffmvr.restore input=") and told.endswith("shard: null\n")
    assert "# Copy the audio, unchanged." in told and "handlers:" not in told
