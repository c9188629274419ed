"""``diffmvr COMMAND …``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.test_documented_commands import ENTRY_POINT, WITHOUT_SETTINGS

from diffmvr import commands
from diffmvr.commands import COMMANDS, completion, overview, run

SOURCE = Path(commands.__file__).parent
NAMES = [name for group in COMMANDS.values() for name in group]


def test_all_commands_are_told_once_and_fit_a_screen() -> None:
    there = {path.stem for path in SOURCE.glob("*.py") if ENTRY_POINT.search(path.read_text())}

    assert sorted(NAMES) == sorted({*there, *WITHOUT_SETTINGS})
    lines = overview().splitlines()
    assert len(lines) <= 32 and max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", ["train-detector", "train_detector"])
def test_a_command_is_what_python_runs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: called.append([program, *words]))

    run([name, "task=face", "-m"])

    module = ["-P", "-m", "diffmvr.train_detector", "task=face", "-m"]
    assert called == [[sys.executable, sys.executable, *module]]


@pytest.mark.parametrize(
    ("name", "meant"), [("restroe", "did you mean restore?"), ("xyz", "known are restore, ")]
)
def test_an_unknown_command_is_one_line(
    capsys: pytest.CaptureFixture[str], name: str, meant: str
) -> None:
    assert run([name]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: there is no command '{name}'; {meant}")
    assert told.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    """As a console script, or ``python -m diffmvr``, runs it."""
    heavy = "{'torch', 'hydra', 'numpy', 'av'}"
    code = (
        "import runpy, sys, contextlib\nsys.argv = ['diffmvr', '--help']\n"
        "with contextlib.suppress(SystemExit): runpy.run_module('diffmvr', run_name='__main__')\n"
        f"assert not {heavy} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == overview()


def test_commands_and_settings_are_completed(tmp_path: Path) -> None:
    """In bash, with a console script as an installation makes it."""
    script = tmp_path / "diffmvr"
    script.write_text(
        f"#!{sys.executable}\nfrom diffmvr.commands import main\n\nmain()\n", encoding="utf-8"
    )
    script.chmod(0o755)

    def completed(line: str) -> list[str]:
        words = line.split(" ")
        listed = " ".join(f"'{word}'" for word in words)
        asked = (
            f"{completion()}\nCOMP_LINE='{line}' COMP_CWORD={len(words) - 1} "
            f"COMP_WORDS=({listed}); _diffmvr; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", asked],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PATH": path},
            cwd=tmp_path,
        )
        return done.stdout.split()

    assert completed("diffmvr re") == ["restore", "report"]
    assert completed("diffmvr verify pub") == ["public_key="]
