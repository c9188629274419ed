"""Entry points as a user runs them, in processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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


def start(module: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start ``python -m diffmvr.MODULE``, as the leader of a process group."""
    return subprocess.Popen(
        [sys.executable, "-m", f"diffmvr.{module}", *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=default_signals,
    )


def run(module: str, *arguments: str, cwd: Path, timeout: float = 1800) -> str:
    """Run it to its end; return what it said."""
    process = start(module, *arguments, cwd=cwd)
    said, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, said
    return said


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
