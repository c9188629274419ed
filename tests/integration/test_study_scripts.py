"""The study's scripts name jobs that exist, each in a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tests.helpers.overrides import jobs_of

from diffmvr.config import config_dir, register_resolvers
from diffmvr.data.splits import first_clips, split_indices

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
MIN_SUBJECTS = 60
# Takes the place of Python: notes how it was called.
RECORDER = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
"""

register_resolvers()


def calls(script: str, folder: Path, *arguments: str, **variables: str) -> list[list[str]]:
    """Run a script without doing anything; return the commands that it would run."""
    recorder = folder / "python"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    noted = folder / "calls.json"
    environment = {**os.environ, "PYTHON": str(recorder), "CALLS": str(noted), **variables}
    subprocess.run(
        ["bash", str(EXPERIMENTS / script), *arguments], env=environment, check=True, timeout=60
    )
    return [json.loads(line) for line in noted.read_text().splitlines()]


def jobs(call: list[str]) -> list[tuple[str, DictConfig]]:
    """Return the folder and configuration of every job of a multirun."""
    flag, module, multirun, *overrides = call
    assert (flag, multirun) == ("-m", "--multirun")
    found = []
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        for job in jobs_of(overrides):
            whole = compose(module.removeprefix("diffmvr."), job, return_hydra_config=True)
            sweep = whole.hydra.sweep
            settings = OmegaConf.masked_copy(whole, [str(k) for k in whole if k != "hydra"])
            folder = OmegaConf.create({**settings, "subdir": sweep.subdir}).subdir
            found.append((f"{sweep.dir}/{folder}", settings))
    return found


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("table3_guides.sh", 4 * 2),
        ("table1_2_baselines.sh", 2 * 2 + 2 + 2),
        ("sweep_lambda.sh", 2 * 2),
        ("sweep_fusion.sh", 3),
        ("sweep_tokens.sh", 3),
        ("sweep_budget.sh", 2),
        ("sweep_steps.sh", 5),
    ],
)
def test_every_job_can_be_composed(tmp_path: Path, script: str, count: int) -> None:
    noted = calls(script, tmp_path, OUT="study", SEEDS="1", LAMBDAS="0.0,0.3")
    found = [job for call in noted for job in jobs(call)]
    assert len(found) == count
    assert len({folder for folder, _ in found}) == count, "one folder, one job"
    for folder, cfg in found:
        assert folder.startswith("study/") and cfg.ledger and cfg.threads == 1, folder
    source = instantiate(found[0][1].data.source)
    test = split_indices(source.subject_ids, list(found[0][1].data.fractions))["test"]
    people = {source.subject_ids[i] for i in first_clips(test, source.subject_ids, 1)}
    assert len(people) >= MIN_SUBJECTS


def test_tables_3_and_4_share_their_jobs(tmp_path: Path) -> None:
    both = {}
    for script in ("table3_guides.sh", "table4_losses.sh"):
        (tmp_path / script).mkdir()
        folder = tmp_path / script
        (call,) = calls(script, folder, "data.window=4", SEEDS="0", MASKS="bbox")
        both[script] = dict(jobs(call))
    first, second = both.values()
    shared = sorted(first.keys() & second.keys())
    assert [folder.split("/")[-3] for folder in shared] == ["dual_motion", "motion"]
    assert all(first[folder] == second[folder] for folder in shared), "so the ledger skips them"
    assert len(first | second) == 6 and all(cfg.data.window == 4 for cfg in first.values())


def test_without_settings_there_are_three_seeds_and_both_masks(tmp_path: Path) -> None:
    (call,) = calls("table4_losses.sh", tmp_path)
    assert {"seed=0,1,2", "mask=segmentation,bbox"} <= set(call)
    assert "experiment=baseline,dual,motion,dual_motion" in call
