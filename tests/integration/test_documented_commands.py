"""Every command that the pages, settings and modules show is right as it is written there."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments.page_tables import only_columns, with_tables
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tests.helpers.overrides import jobs_of

from diffmvr.config import config_dir, register_resolvers
from diffmvr.metrics.extractors import I3D_TRUSTED

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "experiments/README.md", "CONTRIBUTING.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
ENTRY_POINT = re.compile(
    r'^@entry_point\((?:\w+|"\w+")(?:, "(\w+)")?(?:, plan=\w+)?\)$', re.MULTILINE
)
# Commands of words instead of settings.
WITHOUT_SETTINGS = ("weights",)
COMMAND = re.compile(r"python -m diffmvr\.(\w+)((?:[ ]+(?:'[^']*'|\"[^\"]*\"|[^\s'\"`])+)*)")
OVERRIDE = re.compile(r"[\w.@/+~]+=.+")
INCLUDED = re.compile(r"^```\{(include|literalinclude|figure|image)\} (\S+)", re.MULTILINE)
OPTIONS = {"-m": 0, "--multirun": 0, "--config-name": 1}
# Launchers that are in no extra.
NOT_INSTALLED = "hydra/launcher=ray_cluster"

register_resolvers()


def texts() -> Iterator[tuple[str, str]]:
    """Where commands are shown, and the text; long lines joined."""
    for path in (*(ROOT / page for page in PAGES), *sorted((ROOT / "conf").rglob("*.yaml"))):
        yield str(path.relative_to(ROOT)), re.sub(r"\\\n[#\s]*", "", path.read_text())
    for folder in ("src/diffmvr", "experiments", "benchmarks"):
        for path in sorted((ROOT / folder).glob("*.py")):
            told = ast.get_docstring(ast.parse(path.read_text())) or ""
            yield str(path.relative_to(ROOT)), re.sub(r"\\\n\s*", "", told)


def commands() -> list[tuple[str, str, tuple[str, ...]]]:
    """Where each command of diffmvr is shown first, its module and its words."""
    found: dict[tuple[str, tuple[str, ...]], str] = {}
    for where, text in texts():
        for module, rest in COMMAND.findall(text):
            words: list[str] = []
            values = 0
            for word in re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+", rest):
                # What may be left out.
                bare = word[1:-1] if word.startswith("[") and word.endswith("]") else word
                override = OVERRIDE.fullmatch(bare.strip("'")) or bare.startswith("'~")
                if not (values or bare in OPTIONS or override):
                    break
                values = OPTIONS.get(bare, 0) if not values else values - 1
                words.append(bare)
            if module not in WITHOUT_SETTINGS:
                found.setdefault((module, tuple(words)), where)
    return [(where, module, words) for (module, words), where in found.items()]


COMMANDS = commands()


def settings_folder(module: str) -> Path:
    """The folder of an entry point's settings."""
    match = ENTRY_POINT.search((ROOT / "src" / "diffmvr" / f"{module}.py").read_text())
    assert match, f"{module} is no command"
    return config_dir() / (match[1] or "")


def test_there_are_commands() -> None:
    assert {module for _, module, _ in COMMANDS} == {
        path.stem
        for path in (ROOT / "src" / "diffmvr").glob("*.py")
        if ENTRY_POINT.search(path.read_text())
    }


@pytest.mark.parametrize(
    ("module", "words"),
    [pytest.param(m, w, id=f"{where}: {m} {' '.join(w)}") for where, m, w in COMMANDS],
)
def test_a_command_of_diffmvr_composes(module: str, words: tuple[str, ...]) -> None:
    subprocess.run(["bash", "-n", "-c", " ".join(["python", *words])], check=True)
    folder, name = settings_folder(module), module
    overrides = []
    waiting = iter(shlex.split(" ".join(words)))
    for word in waiting:
        key, _, value = word.partition("=")
        if word == "--config-name":
            name = next(waiting)
        # "…" is the reader's to fill in; "a|b" is one of them.
        elif not (word in (*OPTIONS, NOT_INSTALLED) or (value == "…" and (folder / key).is_dir())):
            overrides.append(word.replace("…", "x").replace("|", ","))
    with initialize_config_dir(str(folder), version_base="1.3"):
        jobs = jobs_of(overrides)
        # The first of a sweep and the last.
        for job in (*jobs[:1], *jobs[1:][-1:]):
            assert "???" not in OmegaConf.to_yaml(compose(name, job)), "nothing needed is left out"


@pytest.mark.parametrize("page", PAGES)
def test_every_other_command_names_what_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    block = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)|`make (\w+)", text, re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target
    scripts = re.findall(r"(?:python|bash) (experiments/\S+\.(?:py|sh))([^`\n#]*)", text)
    scripts += [("benchmarks/run.py", rest) for rest in re.findall(r"make bench ARGS=(.*)", text)]
    for script, rest in scripts:
        source = (ROOT / script).read_text()
        for flag in re.findall(r"--[a-z-]+", rest):
            assert f'"{flag}"' in source, (script, flag)


@pytest.mark.parametrize("page", ("README.md", "experiments/README.md"))
def test_the_tables_of_a_page_are_what_their_files_hold(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "<!-- table:" in text
    assert with_tables(text) == text, "python experiments/page_tables.py puts them in"


def test_a_table_is_shown_in_part() -> None:
    table = "words\n\n| a | b \\| c | d |\n| --- | ---: | ---: |\n| 1 | 2 | 3 |"
    assert only_columns(table, ["d", "b \\| c"]) == (
        "words\n\n| a | d | b \\| c |\n| --- | ---: | ---: |\n| 1 | 3 | 2 |"
    )
    with pytest.raises(ValueError, match=r"expected some of .*'a'.*, got \['e'\]"):
        only_columns(table, ["d", "e"])


def test_the_pages_included_by_a_page_are_there() -> None:
    for page in PAGES:
        if page.startswith("docs/"):
            for kind, path in INCLUDED.findall((ROOT / page).read_text(encoding="utf-8")):
                assert (ROOT / page).parent.joinpath(path).is_file(), (page, kind, path)


@pytest.mark.parametrize("page", (*PAGES, "SECURITY.md"))
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links or page.startswith(("docs/", "CONTRIBUTING"))
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in headings]
            assert anchor in slugs, link


def test_security_names_every_setting_that_trusts() -> None:
    told = (ROOT / "SECURITY.md").read_text()
    for path in (ROOT / "conf").rglob("*.yaml"):
        for found in re.findall(r"^(?: *)trusted: (.*)$", path.read_text(), re.MULTILINE):
            assert found == "false", f"{path}: asked for, never assumed"
    for setting in ("`trusted=true`", "`baselines.lama.trusted`", f"`{I3D_TRUSTED}`"):
        assert setting in told
    files = [p for p in (ROOT / "conf").rglob("*.yaml") if "trusted: false" in p.read_text()]
    assert len(files) == 3, "a new one is told in SECURITY.md"
