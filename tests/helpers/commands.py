"""Entry points as a user runs them, in processes of their own."""

import atexit
import os
import runpy
import signal
import sys
import tempfile
import threading
import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.fresh import fresh_processes

# Every part of a training run is real; there is as little as can be of each, and nothing is scored.
# Rendering the people takes longer than a few steps: there are 7 of them to learn from.
LEAST = (
    *("debug=fast", "threads=1", "experiment=baseline", "evaluation.restorers=null"),
    *("data.max_clips=12", "data.fractions=[0.7,0.25,0.05]"),
    *("trainer.max_steps=2", "trainer.val_check_interval=1", "callbacks.samples=null"),
    *("data.source.num_frames=4", "data.window=2", "data.batch_frames=4"),
    *("preprocessing.align_past=similarity", "scoring.distances=null"),
    "~scoring.scorers.expression",
)


def default_signals() -> None:
    """Make a child (``preexec_fn``) hear what ends a command, whoever runs the tests.

    A shell starts what it runs in the background with SIGINT ignored, ``nohup`` with SIGHUP, and
    children inherit that.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@dataclass
class Command:
    """An entry point that runs in a process of its own.

    Attributes:
        process: it.
        words: the file that holds what it says, and what all that it starts says.
    """

    process: Any
    words: Path

    @property
    def said(self) -> str:
        return self.words.read_text(encoding="utf-8")

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float = 1800) -> None:
        self.process.join(timeout)
        if self.process.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            raise TimeoutError(f"not at its end after {timeout} s:\n{self.said}")


def start(module: str, *arguments: str, cwd: Path) -> Command:
    """Start ``python -m MODULE``, or a script that ends in ``.py``; it leads a process group.

    The process comes from the server of ``fresh``, which has imported everything already: most of
    what a start costs.  Whatever it starts itself begins from nothing, as it always does.
    """
    descriptor, words = tempfile.mkstemp(suffix=".txt")
    os.close(descriptor)
    given = (module, arguments, str(cwd), words, dict(os.environ))
    process = fresh_processes().Process(target=_be_command, args=given)
    process.start()
    command = Command(process, Path(words))
    weakref.finalize(command, os.unlink, words)
    return command


def _be_command(
    module: str, arguments: Sequence[str], cwd: str, words: str, environment: Mapping[str, str]
) -> None:
    os.setsid()
    default_signals()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment, OMP_NUM_THREADS="1")
    told = os.open(words, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(told, stream)
    sys.argv = [module, *arguments]
    try:
        with warnings.catch_warnings():
            # That the module has been imported before it runs as __main__.
            warnings.simplefilter("ignore", RuntimeWarning)
            if module.endswith(".py"):
                runpy.run_path(module, run_name="__main__")
            else:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # As an interpreter ends, and in its order; a fork of a server leaves the second out.
        threading._shutdown()
        atexit._run_exitfuncs()


def run(module: str, *arguments: str, cwd: Path) -> str:
    """Run it to its end; return what it said."""
    command = start(module, *arguments, cwd=cwd)
    command.wait()
    assert command.exit_code == 0, command.said
    return command.said


def living(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            # The command's name, in brackets, may hold spaces.
            state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if entry.name.isdecimal() and int(pgrp) == group and state not in "ZX":
            found.append(int(entry.name))
    return found


def check_two_processes(folder: Path, runs: int = 1) -> None:
    """Require that two processes trained one model of ``LEAST`` in a folder.

    Args:
        folder: of the job.
        runs: how often it was started; only the first process has a W&B run.
    """
    assert "**frames per step**: 8" in (folder / "model" / "README.md").read_text()
    assert (folder / "train_ddp_process_1.log").is_file(), "the second process was of this job"
    assert not (folder / "train_ddp_process_2.log").exists()
    assert len(list(folder.glob("wandb/offline-run-*"))) == runs
