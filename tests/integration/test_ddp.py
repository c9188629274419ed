"""Several processes from the command line: one run each job, also in a sweep that is killed.

Each job of such a sweep is a command of its own for one run with two processes; test_fsdp.py types
one.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.helpers.commands import LEAST, check_two_processes, living, run, start

from diffmvr.files import read_json
from diffmvr.run_record import RunRecord, load_run_record, save_run_record
from diffmvr.runs.ledger import JOB_FILE, settings_hash

PATIENCE = 1800  # seconds, for a machine that has much else to do

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="processes are found in /proc"
)


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@needs_proc
def test_a_sweep_with_several_processes_is_killed_and_given_again(
    weights: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    command = [
        *("--multirun", *LEAST, "seed=0,1", "trainer=ddp_sim", "ledger=true"),
        *(f"paths.weights={weights}", f"hydra.sweep.dir={sweep}"),
        *("trainer.max_steps=4", "hydra.sweep.subdir=s${seed}"),
    ]
    first, second = sweep / "s0", sweep / "s1"

    killed = start("diffmvr.train", *command, cwd=tmp_path)
    try:
        until(lambda: killed.exit_code is not None or any(first.glob("checkpoints/*.ckpt")))
        assert killed.exit_code is None, killed.said
        # The sweep alone: whatever it has started is to end by itself.
        killed.process.kill()
        killed.wait()
        until(lambda: not living(killed.process.pid), seconds=60)
    finally:
        for pid in living(killed.process.pid):
            os.kill(pid, signal.SIGKILL)
    assert not (first / "run.json").exists() and not second.exists()
    # As if the other job had finished, which costs as much as the first one.
    settings = {**read_json(first / JOB_FILE)["settings"], "seed": 1}
    finished = RunRecord("train", "finished", 1, "", config_hash=settings_hash(settings))
    save_run_record(finished, second)

    said = run("diffmvr.train", *command, cwd=tmp_path)

    # Once, by the first of two processes.
    assert said.count("channels are left out") == 1
    record = load_run_record(first)
    assert (record.seed, record.steps, record.resumed) == (0, 4, True)
    # A job that was killed has one W&B run for each time.
    check_two_processes(first, runs=2)
    assert f"{second}: finished before, skipped" in said
    assert load_run_record(second) == finished


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--multirun", "seed=0,1"], "--multirun: torchrun has started several processes"),
        ([], "hydra.run.dir: torchrun has started several processes"),
    ],
)
def test_processes_that_others_started_need_one_folder(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from diffmvr.train import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", "trainer=ddp_sim"]
    monkeypatch.setattr(sys, "argv", ["train", *arguments, *quiet])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and said in capsys.readouterr().err
