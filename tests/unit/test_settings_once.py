"""Every setting is defined in one place of ``conf/``, and is what it was when it stood in many."""

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from diffmvr.config import config_dir
from diffmvr.structures import CLEAR_THRESHOLD

WITHOUT_FOLDER = (
    *("doctor/doctor", "export/export", "restore/restore", "preprocess/preprocess"),
    "restore/live",
    "app/app",
    *("provenance/keygen", "provenance/verify"),
)
# Beside the groups of conf/.
AT_THE_TOP = ("merge", "report")


def composed(path: str, *overrides: str) -> DictConfig:
    file = config_dir() / path
    with initialize_config_dir(str(file.parent), version_base="1.3"):
        return compose(file.name, list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("path", [*WITHOUT_FOLDER, *AT_THE_TOP])
def test_commands_that_write_into_output_make_no_folder_of_their_own(path: str) -> None:
    hydra = composed(path).hydra
    assert hydra.run.dir == "." and hydra.output_subdir is None and hydra.job.chdir is False
    logging = OmegaConf.to_container(hydra.job_logging)
    assert logging["formatters"]["simple"]["format"] == "%(message)s"
    assert logging["handlers"]["console"]["stream"] == "ext://sys.stderr"
    assert logging["root"] == {"handlers": ["console"], "level": "INFO"}


def test_guides_differ_in_their_kinds_and_scales_alone() -> None:
    both = OmegaConf.to_container(composed("train").guide)
    for kind in ("past", "present", "symmetric"):
        guide = OmegaConf.to_container(composed("train", f"guide={kind}").guide)
        assert guide == {**both, "kinds": [kind], "scales": [1.0]}


def test_what_is_clear_is_the_same_for_every_command() -> None:
    for command in ("train", "cache", "evaluate"):
        assert composed(command).preprocessing.clear_threshold == CLEAR_THRESHOLD
    for command in ("restore/restore", "preprocess/preprocess"):
        assert composed(command).clear_threshold == CLEAR_THRESHOLD


def blocks(path: Path) -> set[str]:
    """Every mapping of at least four plain settings that a file spells out."""
    found: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            plain = {key: value for key, value in node.items() if not isinstance(value, dict)}
            if len(plain) >= 4:
                found.add(repr(sorted(plain.items(), key=str)))
            for value in node.values():
                walk(value)

    walk(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def test_no_block_of_settings_stands_in_two_files() -> None:
    seen: dict[str, Path] = {}
    for path in sorted(config_dir().rglob("*.yaml")):
        for block in blocks(path):
            assert block not in seen, f"{path} spells out what {seen[block]} does: {block}"
            seen[block] = path


def test_the_shipped_models_recipe_takes_other_people() -> None:
    shipped = composed("ship_unet").data
    assert (shipped.source.seed, shipped.source.subjects) == (1001, 1500)
    portraits = composed("ship_unet", "data=portraits", "data.source.folder=people").data
    assert portraits.source.folder == "people" and "subjects" not in portraits.source
    assert (portraits.window, portraits.fractions) == (shipped.window, shipped.fractions)
