"""Any path can be given as it is; sweeps, lists and ``null`` are told from paths by plain rules."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from tests.helpers.awkward_names import AWKWARD_NAMES

from diffmvr.cli import entry_point
from diffmvr.config import config_dir
from diffmvr.overrides import TEXT, as_override, as_overrides

# Not to be taken for Hydra's quotes, or for another setting, where it is not there yet.
AS_THEY_ARE = [name for name in AWKWARD_NAMES if name not in ("'quoted'", "${name}")]
NUMBERS = ["1.10", "1e5", "???", "C:\\Filme\\Büro\\", "a\nb", "~other/store", " a", "a\\,b"]
SETTINGS = config_dir()


def read(override: str) -> Any:
    """Return what a job's configuration then holds; of a sweep the values of the jobs."""
    parsed = OverridesParser.create().parse_override(override)
    if parsed.is_sweep_override():
        return tuple(one for one in map(as_value, parsed.sweep_string_iterator()))
    value = parsed.value()
    return OmegaConf.create({"key": value, "name": "dual"}).key if value is not None else None


def as_value(text: str) -> Any:
    return OverridesParser.create().parse_override(f"key={text}").value()


@pytest.mark.parametrize("key", ["output", "guides.past"])
@pytest.mark.parametrize("path", [*AS_THEY_ARE, *NUMBERS])
def test_any_path_can_be_given_as_it_is(path: str, key: str) -> None:
    path = f"{path}.mp4" if key == "guides.past" else path
    override = as_override(f"{key}={path}")
    assert read(override) == {"???": "./???"}.get(path, path)
    assert as_override(override) == override, "processes of a run repeat what they find"


@pytest.mark.parametrize("multirun", [False, True])
@pytest.mark.parametrize("path", AWKWARD_NAMES)
def test_what_exists_is_meant(
    path: str, multirun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / path).mkdir()
    for key in ("input", "source"):
        assert read(as_override(f"{key}={path}", multirun)) == path
    if "," not in path:
        assert list(read(as_override(f"source=[{path},'b, c', d]"))) == [path.strip(), "b, c", "d"]


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("shard=1/4,2/4", ("1/4", "2/4")),
        (
            "weights=2023_01, Säugling (1),'c, d',[raw] e",
            ("2023_01", "Säugling (1)", "c, d", "[raw] e"),
        ),
        ("source=[a,b],[c]", (["a", "b"], ["c"])),
        ("weights=choice(a,b)", ("a", "b")),
        ("experiment=dual,motion", ("dual", "motion")),
        ("weights='a,b'", "a,b"),
        ("hydra.sweep.dir=a,b", "a,b"),
        ("weights=clip, take 2", ("clip", "take 2")),
    ],
)
def test_commas_part_a_sweep_with_multirun(argument: str, values: Any) -> None:
    for option in ("-m", "--multirun", "hydra.mode=MULTIRUN"):
        written, _ = as_overrides([argument, option])
        assert read(written) == values


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("input=clip, take 2.mp4", "clip, take 2.mp4"),
        ("source=a,b", "a,b"),
        (
            "source=[a (1), Säugling,2024_01,'c, d',null]",
            ["a (1)", "Säugling", "2024_01", "c, d", "null"],
        ),
        ("sweeps=[]", []),
        ("guides.past=[a (1).png,Säugling.jpg]", ["a (1).png", "Säugling.jpg"]),
        ("source=[raw] clips", "[raw] clips"),
        ("output=[a,b]", "[a,b]"),
        ("output='a,b'", "a,b"),
        ("output={id}", "{id}"),
        ("output='x", "'x"),
        ("weights=choice(a,b)", "choice(a,b)"),
        ("output=null", "null"),
        ("mask=null", None),
        ("logger.wandb.group=null", None),
        ("hydra.sweep.subdir=${name} (1)", "dual (1)"),
        ("pattern=S(?P<subject>\\d{1,2})_.*", "S(?P<subject>\\d{1,2})_.*"),
        ("+name=1_0", "1_0"),
    ],
)
def test_without_multirun_a_comma_parts_nothing(argument: str, value: Any) -> None:
    assert read(as_override(argument)) == value


@pytest.mark.parametrize(
    "argument",
    [
        *("-m", "--config-name=ä", "a.b=1", "experiment=glob(*)", "x=[1,ä]", "x={", "x='ä'"),
        *("x=a,b", "trainer.max_steps=420_000", "face_box=[0,0,9,9]", "~callbacks.ema"),
        *("model=glob(a,b)", "mask=bbox,segmentation", "logger=[wandb,csv]", "mask='bbox'"),
    ],
)
def test_what_hydra_reads_or_is_to_judge_stays(argument: str) -> None:
    assert as_override(argument, settings=SETTINGS) == argument
    assert as_override(argument, True, SETTINGS) == argument


def test_masks_are_a_path_to_preprocess_and_a_number_elsewhere() -> None:
    assert read(as_override("masks=1, 2", settings=SETTINGS / "preprocess")) == "1, 2"
    assert read(as_override("masks=4", settings=SETTINGS / "preprocess")) == "4"
    assert read(as_override("masks=4", settings=SETTINGS)) == 4


def test_other_settings_that_hydra_cannot_read_are_text() -> None:
    assert as_override("x=Säugling") == "x='Säugling'"


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jürgen")
    assert as_override("data.root=~/store") == "data.root='/home/jürgen/store'"
    assert as_override("data.root=~other/store") == "data.root='~other/store'"


def test_no_number_is_taken_for_text() -> None:
    seen = set()
    for file in SETTINGS.rglob("*.yaml"):
        waiting = [OmegaConf.to_container(OmegaConf.load(file), resolve=False)]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                seen |= set(part)
                numbers = {key for key, value in part.items() if isinstance(value, int | float)}
                assert not numbers & TEXT, file
            if isinstance(part, dict | list):
                waiting += part.values() if isinstance(part, dict) else part
    assert seen >= TEXT


@pytest.mark.parametrize("path", ["clip, take 2.mp4", "[raw] clip.mp4", "{id}.mp4", "'x", "null"])
def test_a_command_gets_the_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @entry_point("merge")
    def command(cfg: DictConfig) -> None:
        seen.append((cfg.source, cfg.output))

    given = [f"source={path}", f"output={path}", "hydra/hydra_logging=none"]
    monkeypatch.setattr(sys, "argv", ["merge", *given])
    command()
    assert seen == [(path, path)]
