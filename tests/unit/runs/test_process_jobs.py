"""A job of a sweep that needs several processes is run by a command of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import main as hydra_main
from omegaconf import DictConfig, OmegaConf

from diffmvr.runs.process_jobs import ORPHANED, PARENT, job_command, run_apart, runs_apart

CONFIG = """
seed: 0
name: a
trainer: {devices: 1}
text: none
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "train.yaml").write_text(CONFIG)
    return folder


def ask(
    conf: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> list[tuple[bool, list[str]]]:
    """Run a program of that configuration; return for every job what is to be done with it."""
    answers: list[tuple[bool, list[str]]] = []

    @hydra_main(version_base="1.3", config_path=str(conf), config_name="train")
    def program(cfg: DictConfig) -> None:
        answers.append((runs_apart(cfg), job_command("diffmvr.train")))

    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none"]
    monkeypatch.setattr(sys, "argv", ["train", *arguments, *quiet])
    program()
    return answers


def test_the_command_is_of_one_job_in_its_folder(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tmp_path / "a sweep"
    arguments = ["--multirun", "seed=3,4", "trainer.devices=2", "text='${name} x'"]
    folders = [f"hydra.sweep.dir='{sweep}'", "hydra.sweep.subdir=s${seed}"]
    answers = ask(conf, monkeypatch, *arguments, *folders)
    assert [apart for apart, _ in answers] == [True, True]
    for seed, (_, command) in zip((3, 4), answers, strict=True):
        assert command[:3] == [sys.executable, "-m", "diffmvr.train"]
        assert f"hydra.run.dir='{sweep}/s{seed}'" in command
        assert not [word for word in command if "sweep." in word or "MULTIRUN" in word]
        # Hydra reads from it what the job had.
        (again,) = _composed(conf, monkeypatch, command[5:])
        assert again == {"seed": seed, "name": "a", "trainer": {"devices": 2}, "text": "a x"}


def _composed(conf: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> list[object]:
    seen: list[object] = []

    @hydra_main(version_base="1.3", config_path=str(conf), config_name="train")
    def program(cfg: DictConfig) -> None:
        seen.append(OmegaConf.to_container(cfg, resolve=True))

    monkeypatch.setattr(sys, "argv", ["train", *words])
    program()
    return seen


def test_one_process_or_one_job_needs_no_command(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [apart for apart, _ in ask(conf, monkeypatch, "-m", "seed=0,1")] == [False, False]
    assert [apart for apart, _ in ask(conf, monkeypatch, "trainer.devices=2")] == [False]


def test_under_slurm_the_processes_are_there_already(
    conf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("SLURM_NTASKS", "4"), ("SLURM_JOB_NAME", "train")):
        monkeypatch.setenv(name, value)
    for arguments, said in (
        (["-m", "seed=0,1"], r"--multirun: srun has started several processes"),
        ([], r"hydra\.run\.dir: srun has started .* give them one"),
    ):
        # Hydra ends the program with an exception's traceback.
        with pytest.raises(SystemExit):
            ask(conf, monkeypatch, *arguments, "trainer.devices=4")
        assert re.search(said, capsys.readouterr().err)
    answers = ask(conf, monkeypatch, "trainer.devices=4", f"hydra.run.dir={tmp_path / 'run'}")
    assert [apart for apart, _ in answers] == [False]


def test_a_command_that_fails_ends_the_sweep_with_its_code(tmp_path: Path) -> None:
    run_apart([sys.executable, "-c", "pass"])
    with pytest.raises(SystemExit) as stop:
        run_apart([sys.executable, "-c", "raise SystemExit(7)"])
    assert stop.value.code == 7


CHILD = """
import os, sys, time
from diffmvr.runs.process_jobs import end_with_parent
end_with_parent()
assert "DIFFMVR_PARENT" not in os.environ
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process keeps its parent's number there")
def test_a_process_ends_when_the_one_that_started_it_is_gone(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    parent = (
        "import os, subprocess, sys;"
        f"os.environ[{PARENT!r}] = str(os.getpid());"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]]);"
        "import time; time.sleep(600)"
    )
    started = subprocess.Popen([sys.executable, "-c", parent, CHILD, str(noted)])
    while not (noted.is_file() and noted.read_text()):
        assert started.poll() is None
        time.sleep(0.05)
    child = int(noted.read_text())
    started.kill()
    started.wait()
    for _ in range(200):
        if not _is_alive(child):
            return
        time.sleep(0.1)
    raise AssertionError(f"{child} lives on; expected its end with {ORPHANED}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.is_file() or state.read_text().rpartition(")")[2].split()[0] != "Z"
