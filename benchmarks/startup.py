"""How long commands take to begin: processes of their own, as a user starts them.

The CPU time is what an idle machine would need about; the wall time has the other load in it.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
from benchmarks.timing import spread

from diffmvr.config import PACKAGE, settings_file
from diffmvr.data.synthetic import render_clip

COMMANDS = tuple(sorted(p.stem for p in PACKAGE.glob("*.py") if settings_file(p.stem) is not None))
FRAMES, SIZE = 4, 128
# Runs ``restore``, as ``python -m`` does, to where a method is first called.
RESTORE = """
import os, runpy, sys
given, sys.argv = sys.argv, ["-m"]
sys.orig_argv = [sys.executable, "-m", "diffmvr.restore"]
import diffmvr
from {module} import {owner}
{owner}.{method} = lambda *given: os._exit(0)
sys.argv = given
runpy.run_module("diffmvr.restore", run_name="__main__")
"""
FIRST_FRAME = RESTORE.format(module="diffmvr.preprocessing.scan", owner="Scanner", method="_look")
FIRST_RESTORED = RESTORE.format(
    module="diffmvr.restoration.recording", owner="VideoRestorer", method="_restore"
)


def startup(
    commands: Sequence[str], repeats: int, mistakes: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield seconds and CPU seconds of each command's ``--help``, and of a mistyped setting.

    Then, of ``restore``, to where it needs a recording, to where it looks for the face in the first
    frame and to where it restores the first window; and of importing torch, for comparison with
    other machines.

    Args:
        commands: their names.
        repeats: of each call.
        mistakes: whether to time a mistyped setting and a missing recording, too.
    """
    for command in commands:
        module = ["-m", f"diffmvr.{command}"]
        yield _row(command, "--help", [*module, "--help"], repeats, 0)
        if mistakes:
            yield _row(command, "a mistyped setting", [*module, "sede=3"], repeats, None)
    with tempfile.TemporaryDirectory() as folder:
        given = [f"input={folder}/absent.mp4", f"output={folder}/out"]
        call = ["-m", "diffmvr.restore", *given]
        if mistakes:
            yield _row("restore", "a missing recording", call, repeats, 2)
        given = [*_recording(Path(folder)), f"output={folder}/out"]
        for call, code in (("first frame", FIRST_FRAME), ("first restored", FIRST_RESTORED)):
            yield _row("restore", call, ["-c", code, *given], repeats, 0)
    yield _row("python", "import torch", ["-c", "import torch"], repeats, 0)


def _row(
    command: str, call: str, arguments: Sequence[str], repeats: int, expected: int | None
) -> dict[str, Any]:
    seconds, cpu_seconds = [], []
    for _ in range(repeats):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        seconds.append(time.perf_counter() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_seconds.append(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        )
        if expected is not None and run.returncode != expected:
            raise RuntimeError(f"{command}, {call}: exit code {run.returncode}: {run.stderr}")
    row = {"command": command, "call": call}
    return {**row, "seconds": spread(seconds), "cpu_seconds": spread(cpu_seconds)}


def _recording(folder: Path) -> list[str]:
    """Write a recording and its masks as folders of pictures; return the settings for them."""
    clip = render_clip(0, 0, 0, size=SIZE, num_frames=FRAMES)
    for name, pictures in (
        ("input", clip.observed[..., ::-1]),
        ("mask", clip.mask.astype("uint8") * 255),
    ):
        (folder / name).mkdir()
        for index, picture in enumerate(pictures):
            cv2.imwrite(str(folder / name / f"{index:05d}.png"), picture)
    return [f"{name}={folder / name}" for name in ("input", "mask")]
