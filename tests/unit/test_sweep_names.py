"""Every job of a sweep has a folder and a name of its own, from what it overrides."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from omegaconf import DictConfig

from diffmvr import sweep_names, train, train_inpainter
from diffmvr.run_record import RunRecord
from diffmvr.runs.facts import run_record
from diffmvr.runs.ledger import result_settings, settings_hash
from diffmvr.sweep_names import MAX_BYTES, job_name, varied_part


class Job(NamedTuple):
    folder: str
    name: str
    logged: str
    settings: DictConfig
    record: RunRecord


Jobs = Callable[..., list[Job]]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Run a sweep whose jobs train nothing, and say what each would be called."""
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", f"hydra.sweep.dir={tmp_path}"]

    def run(module: ModuleType, *overrides: str) -> list[Job]:
        seen = []

        def job(kind: str, _: object, cfg: DictConfig) -> None:
            folder = Path(cfg.paths.output).relative_to(tmp_path).as_posix()
            logged = cfg.logger.wandb.name if "wandb" in cfg.logger else ""
            record = run_record(cfg, kind, "", 0.0)
            seen.append(Job(folder, job_name(cfg), logged, cfg, record))

        monkeypatch.setattr(module, "run_job", job)
        monkeypatch.setattr(sys, "argv", [module.KIND, "-m", *quiet, *overrides])
        module.main()
        return seen

    return run


def test_a_sweep_of_a_setting_does_not_overwrite_itself(jobs: Jobs) -> None:
    found = jobs(train, "experiment=dual", "guide.fusion=fixed,gated", "threads=1")
    for job, fusion in zip(found, ("fixed", "gated"), strict=True):
        assert job.folder == job.logged == f"dual-s0-guide.fusion={fusion}"
        assert job.name == f"dual-guide.fusion={fusion}"
        assert job.settings.logger.wandb.group == "dual", "one ablation, one group"
        assert (job.record.name, job.record.sweep) == (job.name, "dual")
    # By a command of its own, which a finished run may have been.
    (alone,) = jobs(train, "experiment=dual", "guide.fusion=gated", "threads=1")
    assert (alone.folder, alone.name, alone.record.sweep) == ("dual-s0", "dual", "")
    hashes = {settings_hash(result_settings(job.settings, {})) for job in (found[1], alone)}
    assert len(hashes) == 1, "finished runs stay finished"


def test_experiments_and_seeds_keep_their_folders(jobs: Jobs) -> None:
    found = jobs(train, "experiment=dual,motion", "seed=0,1", "trainer.max_steps=3")
    expected = [("dual", 0), ("dual", 1), ("motion", 0), ("motion", 1)]
    assert [job.folder for job in found] == [f"{name}-s{seed}" for name, seed in expected]
    assert [job.name for job in found] == [name for name, _ in expected]


def test_masks_share_the_name_that_tables_know(jobs: Jobs) -> None:
    found = jobs(train, "experiment=dual_motion", "mask=segmentation,bbox")
    assert [job.folder for job in found] == [
        f"dual_motion-s0-mask={mask}" for mask in ("segmentation", "bbox")
    ]
    assert {job.name for job in found} == {"dual_motion"}
    assert found[1].record.settings["mask"] == "bbox"


def test_a_given_name_does_not_hide_what_is_varied(jobs: Jobs) -> None:
    found = jobs(train, "name=mine", "experiment=dual,motion", "model.optimizer.lr=0.1")
    assert [job.name for job in found] == ["mine-experiment=dual", "mine-experiment=motion"]
    assert found[0].record.sweep == "mine"


def test_rivals_are_told_by_their_names(jobs: Jobs) -> None:
    found = jobs(train_inpainter, "inpainter=fourier,temporal", "module.loss.hole_weight=2.5")
    assert [job.folder for job in found] == [
        f"{rival}_inpainter-s0" for rival in ("fourier", "temporal")
    ]


def test_what_no_name_can_hold_is_told_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def part(value: str) -> str:
        monkeypatch.setattr(sweep_names, "varied_settings", lambda: {"weights": value})
        return varied_part()

    assert part("one") == "-weights=one"
    odd = [part(value) for value in ("runs/a [1]/model", "runs/a (1)/model", "é" * 300, "é" * 301)]
    assert len(set(odd)) == 4 and odd[0].startswith("-weights=runs_a_1_model_")
    assert all(re.fullmatch(r"[\w.+=-]+", text) for text in odd)
    assert all(len(text.encode()) <= MAX_BYTES for text in odd)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["seed=0,0"], "two jobs (the same one twice) would share the folder"),
        (["hydra.sweep.subdir=x", "seed=0,1"], "two jobs (seed=0 and seed=1) would share"),
        (["hydra.sweep.subdir=s${seed}", "mask=bbox,segmentation"], "(mask=bbox and mask=segm"),
    ],
)
def test_two_jobs_that_would_share_a_folder_are_refused_before_the_first(
    overrides: list[str], said: str, jobs: Jobs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stop:
        jobs(train, *overrides)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and said in error and error.startswith("error: hydra.sweep.subdir")
    assert not any(tmp_path.iterdir()), "nothing has begun"
