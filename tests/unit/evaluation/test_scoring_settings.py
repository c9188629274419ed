"""``conf/scoring`` builds what it says, and names what is not there."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.checks import WeightsNotPresentError
from diffmvr.config import config_dir, register_resolvers
from diffmvr.evaluation.benchmark import Scoring


def composed(entry: str, *overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(entry, overrides=list(overrides))


@pytest.mark.parametrize("entry", ["evaluate", "train"])
def test_the_default_needs_no_weights_but_those_that_ship(entry: str) -> None:
    scoring = instantiate(composed(entry).scoring, _convert_="all")
    assert isinstance(scoring, Scoring)
    assert "clip" in scoring.scorers and scoring.distances is not None


def test_distances_can_be_left_out() -> None:
    scoring = instantiate(composed("evaluate", "scoring.distances=null").scoring, _convert_="all")
    assert scoring.distances is None


@pytest.mark.parametrize(
    ("override", "absent"),
    [
        ("~scoring.scorers.lpips", "pt_inception-2015-12-05-6726825d.pth"),
        ("~scoring.distances.frames.fid", "alexnet-owt-7be5be79.pth"),
    ],
)
def test_absent_weights_are_named_with_the_remedy(
    override: str, absent: str, tmp_path: Path
) -> None:
    cfg = composed("evaluate", "scoring=paper", f"paths.metric_weights={tmp_path}", override)
    with pytest.raises(InstantiationException) as caught:
        instantiate(cfg.scoring, _convert_="all")
    assert isinstance(caught.value.__cause__, WeightsNotPresentError)
    message = str(caught.value.__cause__)
    assert f"weights not present: {tmp_path / absent}" in message
    assert f"curl -L -o '{tmp_path / absent}' https://" in message
