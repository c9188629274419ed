"""A user's mistake is one line and exit code 2; a bug is a traceback."""

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from diffmvr.cli import USAGE_ERROR, run_cli


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
