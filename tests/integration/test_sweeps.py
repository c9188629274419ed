"""Every job of a sweep that trains on several processes is a process tree of its own."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from diffmvr import train, train_inpainter, tune_baseline


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
@pytest.mark.parametrize("module", [train, train_inpainter, tune_baseline])
def test_each_job_is_a_command_of_its_own(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, calls = tmp_path / "python", tmp_path / "calls"
    recorder.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n')
    recorder.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(recorder))
    sweep = tmp_path / "sweep"
    given = ["--multirun", "trainer=ddp_sim", "seed=3,4", f"hydra.sweep.dir={sweep}"]
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.sweep.subdir=s${seed}"]
    monkeypatch.setattr(sys, "argv", [module.KIND, *given, *quiet])
    module.main()
    begin = f"-m diffmvr.{module.KIND} --config-name {module.KIND} trainer=ddp_sim"
    for seed, call in zip((3, 4), calls.read_text().splitlines(), strict=True):
        assert call.startswith(f"{begin} seed={seed} ")
        assert "++hydra.job.env_set.DIFFMVR_VARIED='seed'" in call, "so that it knows its own name"
        assert call.endswith(f"hydra.run.dir='{sweep}/s{seed}'")
