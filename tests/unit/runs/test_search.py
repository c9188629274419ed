"""A search whose jobs are sums: what it proposes, that it goes on, and what it writes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from diffmvr.config import config_dir
from diffmvr.run_record import RunRecord, save_run_record
from diffmvr.runs.search import Search, SearchSettings, distribution, read_objective

pytest.importorskip("optuna", reason="the search extra is not installed")
SPACE = ["x=interval(-4.0,4.0)", "kind=a,b", "seed=3"]


def parsed(*given: str) -> list:
    return OverridesParser.create().parse_overrides(list(given))


def search(folder: Path, trials: int = 12, given: tuple[str, ...] = (), **more: object) -> Search:
    settings = SearchSettings("val/psnr_hole", trials=trials, **more)
    return Search(folder, settings, parsed(*SPACE, *given))


def value_of(overrides: list[str]) -> float:
    given = dict(one.split("=") for one in overrides)
    return -((float(given["x"]) - 1) ** 2) - (given["kind"] == "a")


def run(one: Search, stop_after: int | None = None) -> list[list[str]]:
    tried = []
    while batch := one.next_batch():
        for number in batch:
            tried.append(one.overrides_of(number))
            if len(tried) == stop_after:
                return tried
            one.tell(number, value_of(tried[-1]))
    return tried


def test_a_search_that_was_killed_is_the_same_as_one_that_was_not(tmp_path: Path) -> None:
    whole = run(search(tmp_path / "whole"))
    assert len(whole) == 12 and all(one[0] == "seed=3" for one in whole)
    assert len({tuple(one) for one in whole}) == 12, "no proposal comes twice"
    half = run(search(tmp_path / "half"), stop_after=5)
    # The fifth was under way: it is done first, as it was.
    rest = run(search(tmp_path / "half"))
    assert half[:4] + rest == whole and rest[0] == half[4]
    assert run(search(tmp_path / "half")) == [], "it is over"
    assert len(run(search(tmp_path / "half", trials=14))) == 2
    best = search(tmp_path / "half", trials=14).best
    assert best is not None and best.params["kind"] == "b"
    assert best.value == max(map(value_of, [*whole, *run(search(tmp_path / "more", trials=14))]))


def test_a_failed_trial_is_not_the_best(tmp_path: Path) -> None:
    one = search(tmp_path, trials=3)
    for value in (float("nan"), 2.0, None):
        (number,) = one.next_batch()
        one.tell(number, value)
    assert one.next_batch() == [] and one.best is not None and one.best.value == 2.0
    assert [trial.state.name for trial in one.trials] == ["FAIL", "COMPLETE", "FAIL"]


def test_several_at_a_time(tmp_path: Path) -> None:
    one = search(tmp_path, trials=5, jobs=2)
    sizes = []
    while batch := one.next_batch():
        sizes.append(len(batch))
        for number in batch:
            one.tell(number, value_of(one.overrides_of(number)))
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize(
    ("given", "more", "changed"),
    [
        (("lr=1,2",), {}, r"lr: None -> "),
        (("data=clips",), {}, r"fixed: 'seed=3' -> 'data=clips seed=3'"),
        ((), {"seed": 1}, r"seed: '0' -> '1'"),
        ((), {"direction": "minimize"}, r"direction: 'maximize' -> 'minimize'"),
    ],
)
def test_another_search_in_the_same_folder_is_an_error(
    tmp_path: Path, given: tuple[str, ...], more: dict, changed: str
) -> None:
    search(tmp_path)
    search(tmp_path, trials=99, given=("threads=2", "hparams_search.trials=99"))
    message = rf"holds another search \({changed}.*\); .*hydra\.sweep\.dir=DIR"
    with pytest.raises(ValueError, match=message):
        search(tmp_path, given=given, **more)


def test_what_cannot_be_searched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a setting to search, got none; give"):
        Search(tmp_path / "x", SearchSettings("val/loss"), parsed("seed=3"))
    assert not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match=r"hparams_search\.direction: .* got 'up'"):
        SearchSettings("val/loss", "up")
    with pytest.raises(ValueError, match=r"hparams_search\.trials: .* got 0"):
        SearchSettings("val/loss", trials=0)


def test_hydras_grammar_as_distributions() -> None:
    def made(value: str) -> dict:
        return vars(distribution(*parsed(f"x={value}")))

    log = made("tag(log, interval(1e-5, 1e-3))")
    assert (log["low"], log["high"], log["log"]) == (1e-5, 1e-3, True)
    steps = made("range(2,9,3)")
    assert (steps["low"], steps["high"], steps["step"]) == (2, 8, 3)
    assert made("choice(a,'b c')")["choices"] == ("a", r"b\ c"), "as an override has it"


def test_the_score_is_read_from_the_finished_run(tmp_path: Path) -> None:
    scores = {"val/psnr_hole": 20.5}
    save_run_record(RunRecord("train", "a", 0, "bbox", validation=scores), tmp_path)
    cfg = OmegaConf.create({"paths": {"output": str(tmp_path)}})
    assert read_objective(cfg) is None
    cfg.hparams_search = {"metric": "val/psnr_hole"}
    assert read_objective(cfg) == 20.5
    cfg.hparams_search.metric = "val/psnr"
    with pytest.raises(ValueError, match="no val/psnr, but val/psnr_hole; give one of those"):
        read_objective(cfg)


COMMAND = """
import os, signal, sys
from pathlib import Path
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="job")
def main(cfg):
    done = Path(cfg.done)
    done.write_text(done.read_text() + f"{cfg.x} ")
    if len(done.read_text().split()) == cfg.killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.x > 3:
        raise FloatingPointError("the loss is nan")
    return -(cfg.x - 1) ** 2

main()
"""


def test_the_sweeper_from_begin_to_end(tmp_path: Path) -> None:
    sweeper = tmp_path / "conf" / "hydra" / "sweeper"
    sweeper.mkdir(parents=True)
    shipped = config_dir() / "hydra" / "sweeper" / "optuna.yaml"
    (sweeper / "optuna.yaml").write_text(shipped.read_text())
    (tmp_path / "command.py").write_text(COMMAND)
    (tmp_path / "conf" / "job.yaml").write_text(f"""
defaults: [{{override hydra/sweeper: optuna}}, _self_]
x: 0.0
done: {tmp_path / "done"}
killed_at: 0
hparams_search: {{metric: val/x, direction: maximize, trials: 6, jobs: 1, seed: 1}}
hydra:
  mode: MULTIRUN
  output_subdir: null
  run: {{dir: .}}
  sweep: {{dir: {tmp_path / "sweep"}, subdir: "${{hydra.job.num}}"}}
  job_logging: {{root: {{level: ERROR}}}}
  sweeper: {{params: {{x: "interval(-4.0, 4.0)"}}}}
""")
    (tmp_path / "done").write_text("")
    command = [sys.executable, str(tmp_path / "command.py")]
    environment = {**os.environ, "HYDRA_FULL_ERROR": "1"}
    killed = subprocess.run([*command, "killed_at=3"], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    again = subprocess.run([*command, "killed_at=0"], env=environment, check=False)
    assert again.returncode != 0, "another setting is another search"
    subprocess.run([*command, "killed_at=3"], env=environment, check=True)
    tried = [float(x) for x in (tmp_path / "done").read_text().split()]
    assert len(tried) == 7 and tried[2] == tried[3], "the one that was killed is done again"
    rows = (tmp_path / "sweep" / "search.csv").read_text().splitlines()
    assert rows[0] == "trial,state,val/x,x" and len(rows) == 7
    states = ["fail" if x > 3 else "complete" for x in dict.fromkeys(tried)]
    assert [row.split(",")[1] for row in rows[1:]] == states
    best = OmegaConf.load(tmp_path / "sweep" / "best.yaml")
    assert best.x == min((x for x in tried if x <= 3), key=lambda x: abs(x - 1))
    assert "hydra" not in best and best.done == str(tmp_path / "done")
