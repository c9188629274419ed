"""Who competes: names, sets, and restorers whose weights are not present."""

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from diffmvr.config import config_dir, register_resolvers
from diffmvr.evaluate import build_restorers, chosen_restorers
from diffmvr.evaluation.benchmark import save_missing

SETS = {"paper": ["diffmvr", "telea", "flow"]}


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("evaluate", list(overrides))


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("paper", ["diffmvr", "telea", "flow"]),
        ("mirror", ["mirror"]),
        (["telea", "mirror"], ["telea", "mirror"]),
        (["mirror", "paper", "telea"], ["mirror", "diffmvr", "telea", "flow"]),
    ],
)
def test_a_set_stands_for_its_restorers(chosen: Any, names: list[str]) -> None:
    assert chosen_restorers(chosen, SETS) == names


def test_one_word_names_every_system_of_the_paper(no_cache: None) -> None:
    cfg = composed("restorers=paper")
    names = chosen_restorers(cfg.restorers, cfg.restorer_sets)
    rows = {"stabilityai", "tuned_stabilityai", "runwayml", "tuned_runwayml", "lama", "fgvi", "pvi"}
    assert rows < set(names)
    built, missing = build_restorers(cfg, names)
    assert [*sorted([*built, *missing])] == sorted(names)
    assert rows <= set(missing)
    assert {name: restorer.name for name, restorer in built.items()} == {n: n for n in built}
    for name, note in missing.items():
        assert note.startswith("weights not present: "), name


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"restorers: expected some of \[.*'telea'.*got 'telia'"):
        build_restorers(composed(), ["telea", "telia"])


def test_a_wrong_setting_is_no_missing_weight(tmp_path: Path) -> None:
    cfg = composed("baselines.stabilityai.batch_size=0")
    with pytest.raises(Exception, match=r"batch_size: expected a number in \[1, 1024\], got 0"):
        build_restorers(cfg, ["stabilityai"])


def test_an_earlier_runs_missing_weights_are_forgotten(tmp_path: Path) -> None:
    save_missing({"lama": "weights not present: lama.pt; é"}, tmp_path)
    path = tmp_path / "missing.json"
    assert json.loads(path.read_text()) == {"lama": "weights not present: lama.pt; é"}
    save_missing({}, tmp_path)
    assert not path.exists()
    save_missing({}, tmp_path)
