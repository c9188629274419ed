"""``plan=true``: what a command would do and write is shown, and nothing is done."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from diffmvr.files import read_json
from diffmvr.setting_kinds import check_kinds
from diffmvr.text import printable

ASKED = "plan=true"
# What `make bench` measures of this machine.
BENCH_FILE = Path("outputs/bench/bench.json")


@dataclass(frozen=True)
class Plan:
    """What a command would do.

    Attributes:
        facts: by what they are about, e.g. ``"frames"``, ``"memory"`` and ``"time"``; what is not
            known says so.
        files: that would be written, relative to ``output``; a folder ends in ``/``.
        output: where.
    """

    facts: Mapping[str, str]
    output: Path
    files: Sequence[str] = field(default_factory=tuple)

    def text(self, settings: str) -> str:
        """Return it for a terminal, below the settings as YAML."""
        width = max(map(len, self.facts), default=0)
        return "".join(
            (
                "# what would be run; nothing has been done\n",
                f"{settings}\n",
                *(f"{name:{width}}  {told}\n" for name, told in self.facts.items()),
                f"\nwould be written in {self.output}:\n",
                *(f"  {name}\n" for name in self.files),
            )
        )


def bench_rows(suite: str) -> list[dict[str, Any]]:
    """Return what ``make bench`` has measured of this machine; nothing where it has not."""
    if not BENCH_FILE.is_file():
        return []
    rows: list[dict[str, Any]] = read_json(BENCH_FILE).get("results", {}).get(suite, [])
    return rows


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for a plan."""
    return any(one.lower() == ASKED for one in arguments)


def show_plan(settings: Path, arguments: Sequence[str], make: Callable[[DictConfig], Plan]) -> None:
    """Compose a command's settings without making a folder, and show what it would do.

    Args:
        settings: the YAML file of its settings.
        arguments: as Hydra reads them.
        make: makes the plan of the composed settings, without ``hydra``.

    Raises:
        ValueError: if a sweep is asked for, or settings of another folder.
    """
    options, _ = get_args_parser().parse_known_args(list(arguments))
    if options.multirun or options.config_dir or options.config_path:
        raise ValueError(
            "plan: expected one run with the settings of this command, got --multirun, "
            "--config-dir or --config-path; leave it out"
        )
    name = options.config_name or settings.stem
    where = {"config_dir": str(settings.parent), "job_name": settings.stem}
    with initialize_config_dir(version_base="1.3", **where):
        cfg = compose(name, list(options.overrides), return_hydra_config=True)
        with read_write(cfg), open_dict(cfg):
            # As a run would, which makes its folder at once; ``hydra`` is read-only from then on.
            HydraConfig.instance().set_config(cfg)
            OmegaConf.set_readonly(cfg.hydra, False)
            cfg.hydra.runtime.output_dir = str(cfg.hydra.run.dir)
            cfg.hydra.job.config_name = name
            HydraConfig.instance().set_config(cfg)
            check_kinds(cfg)
            cfg.pop("hydra")
        told = OmegaConf.to_yaml(cfg, resolve=True)
        sys.stdout.write(printable(make(cfg).text(told)))
