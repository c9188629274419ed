"""Every setting file is found, composes, and names things that exist."""

from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from diffmvr import config
from diffmvr.config import config_dir, register_resolvers, weights_dir
from diffmvr.evaluate import build_restorers
from diffmvr.structures import PastSelection

EXPERIMENTS = sorted(path.stem for path in (config_dir() / "experiment").glob("*.yaml"))


@cache
def composed(*overrides: str, name: str = "train") -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(name, list(overrides))


def targets(node: object) -> list[str]:
    """Every ``_target_`` below a node."""
    if isinstance(node, DictConfig):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [t for key in node for t in targets(node._get_node(key))]
    if isinstance(node, ListConfig):
        return [t for index in range(len(node)) for t in targets(node._get_node(index))]
    return []


def test_the_folder_of_settings_is_found() -> None:
    assert (config_dir() / "train.yaml").is_file()


def test_a_package_without_settings_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "PACKAGE", tmp_path / "site" / "diffmvr")
    with pytest.raises(FileNotFoundError, match=r"no conf/train\.yaml in .*reinstall diffmvr"):
        config_dir()
    inside = tmp_path / "site" / "diffmvr" / "conf"
    inside.mkdir(parents=True)
    (inside / "train.yaml").touch()
    assert config_dir() == inside, "in a wheel"


def test_shipped_weights_are_named_by_a_resolver() -> None:
    register_resolvers()
    node = OmegaConf.create({"weights": "${diffmvr_weights:}/tiny-base"})
    assert Path(node.weights) == weights_dir() / "tiny-base"


@pytest.mark.parametrize("experiment", [None, *EXPERIMENTS])
def test_every_target_exists(experiment: str | None) -> None:
    overrides = [f"experiment={experiment}"] if experiment else []
    names = targets(composed(*overrides))
    assert len(names) > 10
    for name in names:
        assert callable(get_method(name)), name


@pytest.mark.parametrize("group", ["model", "guide", "loss", "mask", "trainer", "logger", "debug"])
def test_every_choice_of_a_group_composes(group: str) -> None:
    choices = sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))
    assert choices
    for choice in choices:
        for name in targets(composed(f"{group}={choice}")):
            assert callable(get_method(name)), (choice, name)


# Tables 3 and 4 of the paper (decisions 18).
@pytest.mark.parametrize(
    ("experiment", "kinds", "weight"),
    [
        ("baseline", ["past"], 0.0),
        ("dual", ["symmetric", "past"], 0.0),
        ("motion", ["past"], 0.1),
        ("dual_motion", ["symmetric", "past"], 0.1),
        ("symmetric_motion", ["symmetric"], 0.1),
        ("present_motion", ["present"], 0.1),
    ],
)
def test_the_papers_experiments_are_the_papers(
    experiment: str, kinds: list[str], weight: float
) -> None:
    cfg = composed(f"experiment={experiment}")
    assert cfg.name == experiment and list(cfg.guide.kinds) == kinds
    assert cfg.guide.pathway == "attention" and cfg.guide.tokens == "patch"
    assert sum(cfg.guide.scales) == pytest.approx(1.0)
    assert cfg.loss.motion.weight == weight
    assert (cfg.loss.motion["on"], cfg.loss.motion.reference) == ("pred_x0", "zero")
    assert cfg.loss.denoising.hole_weight == 1.0
    assert cfg.loss.denoising.snr_weighting == "none"
    assert cfg.loss.first_step_share == 0.0


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_bank_can_be_asked_for_in_every_experiment(experiment: str) -> None:
    assert composed(f"experiment={experiment}").guide.past.select == "recent"
    past = ("guide.past.select=bank", "guide.past.reach=both", "guide.past.size=5")
    cfg = composed(f"experiment={experiment}", *past)
    guides = instantiate(cfg.guide_builder)
    assert guides.kinds == tuple(cfg.guide.kinds)
    assert guides.past == PastSelection("bank", "both", 5)
    assert instantiate(cfg.guide).past.select == "bank"


@pytest.mark.parametrize("select", ["matched", "bank"])
def test_what_a_bank_shows_without_the_network_has_rows(select: str) -> None:
    name = f"{select}_guide"
    restorers, missing = build_restorers(composed(name="evaluate"), [name])
    assert [restorers[name].name] == [name] and not missing


def test_all_six_experiments_are_there() -> None:
    assert EXPERIMENTS == [
        "baseline", "dual", "dual_motion", "motion", "present_motion", "symmetric_motion",
    ]  # fmt: skip


def test_the_papers_training_is_model_sd15() -> None:
    cfg = composed("experiment=dual_motion", "model=sd15")
    assert cfg.model.optimizer._target_ == "torch.optim.Adam" and cfg.model.optimizer.lr == 1e-5
    assert cfg.model.lr_scheduler.num_warmup_steps == 1000


def test_the_product_is_not_an_experiment() -> None:
    cfg = composed()
    assert cfg.guide.pathway == "both" and list(cfg.guide.kinds) == ["symmetric", "past"]


def test_pictures_are_made_before_the_average_goes() -> None:
    names = list(composed().callbacks)
    assert names.index("samples") < names.index("ema")


def test_masks_reach_the_renderer() -> None:
    assert composed("mask=bbox").data.source.mask_type == "bbox"
    assert composed().data.source.mask_type == "segmentation"


def test_every_random_draw_follows_from_one_seed() -> None:
    cfg = composed("seed=7")
    assert cfg.data.seed == cfg.model.seed == 7
    # The benchmark's people stay who they are.
    assert cfg.data.source.seed == composed().data.source.seed
