"""A mistyped setting is told with the right name."""

from pathlib import Path

import pytest
from hydra.errors import HydraException

from diffmvr.config import config_dir, settings_file
from diffmvr.overrides import as_overrides
from diffmvr.setting_names import check_names, nearest


def check(command: str, *arguments: str, multirun: bool = False) -> None:
    settings = settings_file(command)
    assert settings is not None
    options = ["--multirun"] if multirun else []
    written = as_overrides([*options, *arguments], settings.parent)
    check_names(settings, tuple(written[len(options) :]))


@pytest.mark.parametrize(
    ("command", "argument", "told"),
    [
        ("train", "experiment=dul", r"^experiment: expected one of baseline, dual, .*; "
         r"did you mean dual\?$"),
        ("train", "logger=[csv,wandbb]", r"^logger: .*got 'wandbb'; did you mean wandb\?$"),
        ("train", "sede=3", r"^sede: .* no such setting; did you mean seed\?; --help"),
        ("train", "expriment=dual", r"^expriment: .*did you mean experiment\?"),
        ("train", "trainer.max_step=3", r"did you mean trainer\.max_steps\?"),
        ("train", "max_steps=3", r"did you mean trainer\.max_steps\?"),
        ("train", "max_stps=3", r"did you mean trainer\.max_steps\?"),
        ("train", "model=tiny2", r"did you mean tiny\?"),
        ("train", "hydra.rn.dir=x", r"did you mean hydra\.run\.dir\?"),
        ("train", "experiment=present_motion guide.kind=[past]", r"did you mean guide\.kinds\?"),
        ("restore", "imput=Säugling (1).mp4", r"^imput: .*did you mean input\?"),
        ("restore", "guides.pst=a.png", r"did you mean guides\.past\?"),
        ("restore", "zzz=1", r"known are input, mask, name, .*, …; --help"),
        ("preprocess", "sise=3", r"did you mean size\?"),
    ],
)  # fmt: skip
def test_a_mistyped_setting_is_told_with_the_nearest_right_name(
    command: str, argument: str, told: str
) -> None:
    arguments = argument.split() if command == "train" else [argument]
    with pytest.raises(ValueError, match=told) as error:
        check(command, *arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("experiment=dual,mtion", r"got 'mtion'; did you mean motion\?"),
        ("sede=1,2", r"did you mean seed\?"),
        ("sede=range(3)", r"did you mean seed\?"),
    ],
)
def test_every_value_of_a_sweep_is_looked_at(argument: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check("train", argument, multirun=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("experiment=dual_motion", "trainer.max_steps=3", "logger=[csv]", "debug=fast"),
        ("+trainer.detect_anomaly=true", "~scoring.scorers.expression", "++seed=1"),
        ("scoring=real", "hydra.run.dir=x", "hydra/launcher=joblib"),
        ("experiment=glob(*)", "seed=0,1", "guide.scales=[1.0,1.0],[0.5,0.5]"),
        ("logger=[csv],[wandb,csv]", "data.source.subjects=range(3,9,3)"),
    ],
)
def test_right_names_pass(arguments: tuple[str, ...]) -> None:
    check("train", *arguments, multirun=True)


def test_what_else_is_wrong_hydra_says(tmp_path: Path) -> None:
    with pytest.raises(HydraException, match="no viable alternative"):
        check("train", "seed=[1")
    with pytest.raises(HydraException, match="No match in the defaults list"):
        check("evaluate", "model=tiny")
    with pytest.raises(HydraException, match="Cannot find primary config"):
        check_names(tmp_path / "none.yaml", ("seed=1",))


def test_nothing_is_near() -> None:
    assert nearest("qqq", ["dual", "motion"]) == "known are dual, motion"


def test_every_command_has_its_settings() -> None:
    assert settings_file("restore") == config_dir() / "restore" / "restore.yaml"
    assert settings_file("train_detector") == config_dir() / "detector" / "train_detector.yaml"
    assert settings_file("train") == config_dir() / "train.yaml"
    assert settings_file("no_command") is None


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a user's own module, which imports nothing."""
    name = "diffmvr_test_own_code"
    (tmp_path / f"{name}.py").write_text("class Sharp:\n    pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("guide.fusion={own}:Shrap", r"^guide\.fusion: '{own}:Shrap': .*mean {own}:Sharp\?$"),
        ("guide.fusion={own}_2:Sharp", r"^guide\.fusion: .*No module named '{own}_2'; give"),
        ("guide.fusion=gated,{own}:Shrap", r"^guide\.fusion: '{own}:Shrap'"),
        ("guide.kinds=[past,{own}:blur]", r"^guide\.kinds: '{own}:blur': {own} has no 'blur'$"),
        ("model.components.unet.backbone={own}:Net", r"^model\.components\.unet\.backbone: "),
        ("+loss.extra.mine._target_={own}.Shrap", r"^loss\.extra\.mine\._target_: '{own}\.Shrap'"),
        ("+loss.extra.mine={{_target_:{own}.Shrap}}", r"^loss\.extra\.mine\._target_: "),
    ],
)  # fmt: skip
def test_own_code_that_is_not_there_is_told_before_anything_is_read(
    own: str, argument: str, told: str
) -> None:
    # With a scratch model, which has the setting.
    with pytest.raises(ValueError, match=told.format(own=own)) as error:
        check("train", "model=tiny_scratch", argument.format(own=own), multirun="," in argument)
    assert "\n" not in str(error.value)


def test_own_code_that_is_there_is_let_through(own: str) -> None:
    check("train", f"guide.fusion={own}:Sharp,gated", "seed=1,2", multirun=True)
    check("train", f"+loss.extra.mine._target_={own}.Sharp")
    check("evaluate", f"+baselines.mine._target_={own}.Sharp", "restorers=[telea,mine]")
    check("train", "model=sd15", "model.components.image_encoder=[ViT-L-14,local-dir:X]")


def test_own_code_in_a_file_of_settings_is_looked_for(own: str, tmp_path: Path) -> None:
    settings = tmp_path / "mine.yaml"
    settings.write_text("seed: 0\nguide: {fusion: absent_of_all:Sharp}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^guide\.fusion: .*No module named 'absent_of_all'"):
        check_names(settings, ("seed=1",))
    settings.write_text(f"seed: 0\nscorer: {{_target_: {own}.Absent}}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^scorer\._target_: .*has no attribute 'Absent'"):
        check_names(settings, ("seed=2",))
