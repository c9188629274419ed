import json
import os
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from diffmvr.config import config_dir, register_resolvers
from diffmvr.run_record import RunRecord, save_run_record
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.runs.ledger import LEADER, open_job, result_settings, settings_hash

BASE = {"base": "abc"}


def config(**changes: object) -> DictConfig:
    settings = {
        "name": "dual",
        "seed": 0,
        "mask": {"type": "bbox"},
        "paths": {"output": "somewhere"},
        "callbacks": {"dirpath": "${paths.output}/checkpoints"},
        "ckpt_path": None,
        "ledger": True,
        "threads": 1,
    }
    return OmegaConf.create({**settings, **changes})


def config_hash(cfg: DictConfig, inputs: dict[str, str]) -> str:
    return settings_hash(result_settings(cfg, inputs))


def finish(folder: Path, found: str) -> None:
    save_run_record(RunRecord("train", "dual", 0, "bbox", config_hash=found), folder)


def checkpoint(folder: Path) -> Path:
    path = folder / "checkpoints" / "last.ckpt"
    VerifiedCheckpointIO().save_checkpoint({"global_step": 1}, path)
    return path


def test_the_hash_is_of_what_the_result_depends_on() -> None:
    same = config(paths={"output": "elsewhere"}, threads=2, ledger=False, ckpt_path="last")
    assert config_hash(same, BASE) == config_hash(config(), BASE)
    others = [config(seed=1), config(mask={"type": "segmentation"}), config(name="x")]
    hashes = {config_hash(cfg, BASE) for cfg in [config(), *others]}
    assert len(hashes | {config_hash(config(), {"base": "abd"})}) == 5


def test_a_job_from_begin_to_end(tmp_path: Path) -> None:
    first = open_job(config(), tmp_path, BASE)
    assert first.state == "new" and first.checkpoint is None and not first.skipped
    with first.claimed():
        (tmp_path / "metrics.csv").write_text("half")
        last = checkpoint(tmp_path)
    # Killed here.
    again = open_job(config(), tmp_path, BASE)
    assert again.state == "resumed" and again.checkpoint == str(last)
    with again.claimed():
        assert (tmp_path / "metrics.csv").read_text() == "half", "what was logged is kept"
        finish(tmp_path, again.config_hash)
    done = open_job(config(), tmp_path, BASE)
    assert done.state == "finished" and done.skipped


def test_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    with open_job(config(), tmp_path, BASE).claimed():
        pass
    assert open_job(config(), tmp_path, BASE).state == "new"


@pytest.mark.parametrize("stage", ["started", "finished", "not noted"])
def test_other_settings_in_the_same_folder_are_an_error(tmp_path: Path, stage: str) -> None:
    job = open_job(config(), tmp_path, BASE)
    if stage == "not noted":
        checkpoint(tmp_path)
    else:
        with job.claimed():
            pass
    if stage == "finished":
        finish(tmp_path, job.config_hash)
    change = "not noted" if stage == "not noted" else "seed: 0 -> 1"
    message = rf"{tmp_path}: holds a job with other settings \({change}\); .* another folder"
    with pytest.raises(ValueError, match=message):
        open_job(config(seed=1), tmp_path, BASE)


def test_without_the_ledger_every_job_is_run(tmp_path: Path) -> None:
    job = open_job(config(), tmp_path, BASE)
    finish(tmp_path, job.config_hash)
    free = open_job(config(ckpt_path="last", seed=1), tmp_path, BASE, use_ledger=False)
    assert free.state == "new" and free.checkpoint == "last"


@pytest.mark.parametrize("left", ["run.json", "model", "last.ckpt"])
def test_another_job_overwrites_nothing_without_the_ledger_either(
    tmp_path: Path, left: str
) -> None:
    with open_job(config(), tmp_path, BASE, use_ledger=False).claimed():
        pass
    assert open_job(config(seed=1), tmp_path, BASE, use_ledger=False).state == "new", "no result"
    if left == "run.json":
        finish(tmp_path, config_hash(config(), BASE))
    elif left == "model":
        (tmp_path / left).mkdir()
    else:
        checkpoint(tmp_path)
    message = r"other settings \(seed: 0 -> 1\); .* another folder with hydra\.run\.dir=DIR"
    for asked in (None, "another.ckpt"):
        with pytest.raises(ValueError, match=message):
            open_job(config(seed=1, ckpt_path=asked), tmp_path, BASE, use_ledger=False)
    assert open_job(config(seed=1), tmp_path / "other", BASE, use_ledger=False).state == "new"
    # The checkpoint is this folder's own: whoever names it goes on with it.
    for asked in ("last", str(tmp_path / "checkpoints" / "last.ckpt")):
        job = open_job(config(seed=1, ckpt_path=asked), tmp_path, BASE, use_ledger=False)
        assert job.checkpoint == asked


def test_the_same_job_again_is_done_again_unless_it_was_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_job(config(), tmp_path, BASE, use_ledger=False).claimed():
        checkpoint(tmp_path)
    with pytest.raises(ValueError, match=r"which was stopped; go on with ckpt_path=last"):
        open_job(config(), tmp_path, BASE, use_ledger=False)
    go_on = open_job(config(ckpt_path="last"), tmp_path, BASE, use_ledger=False)
    finish(tmp_path, go_on.config_hash)
    with caplog.at_level("INFO"):
        assert open_job(config(), tmp_path, BASE, use_ledger=False).checkpoint is None
    assert "done again with the same settings" in caplog.text


def test_other_processes_follow_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    last = checkpoint(mine)
    leader = open_job(config(), other, BASE)
    with leader.claimed():
        assert json.loads(os.environ[LEADER]) == [str(other.resolve()), None]
    assert LEADER not in os.environ

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    monkeypatch.setenv(LEADER, json.dumps([str(mine.resolve()), str(last)]))
    # What it would read from the folder itself is not asked: the first process has decided.
    follower = open_job(config(), mine, BASE)
    assert follower.state == "resumed" and follower.checkpoint == str(last)
    with follower.claimed():
        assert not (mine / "job.json").exists(), "only the first process writes"
    assert open_job(config(), other, BASE).state == "another's"
    assert open_job(config(), other, BASE).skipped


def test_the_environment_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with open_job(config(), tmp_path, BASE).claimed():
        os.environ["LOCAL_RANK"] = "0"
        os.environ["MASTER_PORT"] = "2"
    assert "LOCAL_RANK" not in os.environ and os.environ["MASTER_PORT"] == "1"


def test_a_setting_that_came_later_leaves_finished_runs_finished() -> None:
    before = config_hash(config(trainer={"devices": 1}), BASE)
    as_before = config(trainer={"devices": 1, "accumulate_grad_batches": 1}, shard=None)
    otherwise = config(trainer={"devices": 1, "accumulate_grad_batches": 2})
    assert config_hash(as_before, BASE) == before != config_hash(otherwise, BASE)


def test_what_is_below_a_setting_that_is_not_the_result_is_not_either() -> None:
    plain = config(callbacks={"ema": {"decay": 0.9}})
    more = config(callbacks={"ema": {"decay": 0.9}, "interval": {"every_n_train_steps": 5}})
    named_alike = config(callbacks={"ema": {"decay": 0.9}, "intervals": 1})
    assert config_hash(more, BASE) == config_hash(plain, BASE) != config_hash(named_alike, BASE)


STUDY = config_dir().parent / "experiments" / "results" / "study" / "rows" / "runs.json"


@pytest.mark.skipif(not STUDY.is_file(), reason="the study's results are in the repository only")
def test_the_published_study_has_not_become_another_one() -> None:
    register_resolvers()
    records = [r for r in json.loads(STUDY.read_text()).values() if r["kind"] == "train"]
    assert records
    for record in records:
        given = shlex.split(record["command"])[3:]
        overrides = [word for word in given if not word.startswith("encodings=")]
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            cfg = compose("train", overrides)
        assert config_hash(cfg, {"base": record["base_hash"]}) == record["config_hash"], overrides
