"""Nothing leaves the machine: every command is watched while it does its work.

Three ways of watching, since each sees what another does not: an audit hook sees what Python asks;
a proxy that notes who comes sees what native code asks by HTTPS (W&B's service in Go, MediaPipe's
libcurl); ``strace``, where it is installed and allowed, sees every system call.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.helpers.commands import LEAST
from tests.helpers.recordings import box_masks, moving_frames, write_pictures

HOOKS = Path(__file__).parents[1] / "helpers" / "network"
# Runs commands one after another in one process, which saves their imports.
RUN = """
import importlib, json, sys
for command in json.loads(sys.argv[1]):
    sys.argv = command
    try:
        importlib.import_module(f"diffmvr.{command[0]}").main()
    except SystemExit as stop:
        # doctor ends with 1 where this installation lacks something.
        if stop.code and (command[0], stop.code) != ("doctor", 1):
            raise
"""
TRACED = ("connect", "sendto", "sendmsg", "sendmmsg")


class Trap:
    """A proxy that serves nobody.

    Attributes:
        address: for the environment.
        callers: what each that came has said first.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.callers: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(1)
                try:
                    self.callers.append(caller.recv(200))
                except OSError:
                    self.callers.append(b"silent")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextmanager
def trap() -> Iterator[Trap]:
    opened = Trap()
    try:
        yield opened
    finally:
        opened.close()


def strace(log: Path) -> list[str]:
    """Return the words that put a command under ``strace``; none where it cannot be had."""
    words = [
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-e",
        f"trace={','.join(TRACED)}",
        "-o",
        str(log),
    ]
    usable = shutil.which("strace") and subprocess.run([*words, "true"], check=False).returncode
    return words if usable == 0 else []


def watched(program: list[str], folder: Path, **environment: str) -> list[str]:
    """Run a program of Python; return everything that it, or what it started, asked of others."""
    asked, calls = folder / "asked.txt", folder / "calls.txt"
    with trap() as proxy:
        names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")
        own = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        process = subprocess.run(
            [*strace(calls), sys.executable, *program],
            cwd=folder,
            env={
                **own,
                **dict.fromkeys(names, proxy.address),
                "NETWORK_LOG": str(asked),
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join([str(HOOKS), os.environ.get("PYTHONPATH", "")]),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert process.returncode == 0, process.stdout
        found = [f"proxy: {first!r}" for first in proxy.callers]
    if asked.is_file():
        found += asked.read_text().splitlines()
    if calls.is_file():
        outside = re.compile(r"AF_INET6?\b(?!.*(inet_addr\(\"127\.|\"::1\"|\"::ffff:127\.))")
        found += [line for line in calls.read_text().splitlines() if outside.search(line)]
    return found


def test_no_command_connects_or_looks_a_name_up(weights: Path, tmp_path: Path) -> None:
    clip = write_pictures(tmp_path / "clip", moving_frames(6, 64, 64))
    masks = write_pictures(tmp_path / "masks", 255 * box_masks(6, 64, 64))
    model = weights / "tiny-base"
    trained = f"hydra.run.dir={tmp_path / 'train'}"
    scored = ("data.source.subjects=8", "data.source.num_frames=4", "limit=1", "threads=1")
    commands = [
        ["train", *LEAST, f"paths.weights={weights}", trained],
        ["restore", f"input={clip}", f"mask={masks}", f"output={tmp_path / 'restored'}"],
        ["evaluate", *scored, "restorers=[telea,diffmvr]", f"hydra.run.dir={tmp_path / 'scored'}"],
        ["preprocess", f"input={clip}", f"output={tmp_path / 'store'}", "face=given", "workers=1"],
        ["doctor"],
    ]
    commands[1] += [f"weights={model}", "face_box=[8,8,56,56]", "self_check=false"]
    commands[3] += [f"boxes={boxes(tmp_path)}", "mask=given", f"masks={masks}", "size=48"]
    assert watched(["-c", RUN, json.dumps(commands)], tmp_path) == []
    assert list(tmp_path.glob("train/wandb/offline-run-*")), "W&B's service was there"


def boxes(folder: Path) -> Path:
    rows = "".join(f"{t},8,8,56,56\n" for t in range(6))
    path = folder / "boxes.csv"
    path.write_text(f"frame,x0,y0,x1,y1\n{rows}")
    return path


LANDMARKS = """
import numpy, time
from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.preprocessing.landmarks import FaceLandmarker
landmarker = FaceLandmarker(find_landmarker_bundle(None))
landmarker.detect(numpy.zeros((96, 96, 3), numpy.uint8))
time.sleep(1)
"""


@pytest.mark.skipif("DIFFMVR_SHARED" not in os.environ, reason="set DIFFMVR_SHARED: the bundle")
def test_mediapipes_usage_reports_stay_here(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    # A user's exceptions from the proxy do not let them out either.
    assert watched(["-c", LANDMARKS], tmp_path, NO_PROXY="*") == []


ASKING = """
import socket, subprocess, sys, urllib.request
for ask in (
    lambda: socket.getaddrinfo("telemetry.invalid", 443),
    lambda: urllib.request.urlopen("https://telemetry.invalid", timeout=1),
):
    try:
        ask()
    except OSError:
        pass
"""


def test_what_asks_is_seen(tmp_path: Path) -> None:
    found = watched(["-c", ASKING], tmp_path)
    assert "socket.getaddrinfo telemetry.invalid" in found
    assert any(line.startswith("proxy: b'CONNECT telemetry.invalid:443") for line in found), found
