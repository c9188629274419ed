"""Before a sweep's first job: each has a folder of its own."""

import itertools
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from diffmvr.cli import run_cli
from diffmvr.sweep_names import VARIED

# Hydra's own; what others will choose is not known beforehand.
BASIC_SWEEPER = "BasicSweeper"


class SweepFolders(Callback):
    """Tells the jobs of a sweep what it varies, and refuses two that would share a folder."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Look at the sweep that is about to start.

        Args:
            config: of the sweep, with ``hydra``.

        Raises:
            SystemExit: if two jobs would share a folder; what else a callback raises, Hydra turns
                into a warning.
        """
        run_cli(prepare_sweep)(config)


def prepare_sweep(config: DictConfig) -> None:
    """Note what a sweep varies for its jobs, and check their folders.

    Args:
        config: of the sweep, with ``hydra``.

    Raises:
        ValueError: if two jobs would share a folder.
    """
    loader = GlobalHydra.instance().config_loader()
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    given += config.hydra.overrides.task
    overrides = OverridesParser.create(loader).parse_overrides(given)
    varied = [one.key_or_group for one in overrides if one.is_sweep_override()]
    with read_write(config), open_dict(config):
        noted = ",".join(dict.fromkeys(varied))
        config.hydra.overrides.hydra.append(f"++hydra.job.env_set.{VARIED}='{noted}'")
    if str(config.hydra.sweeper._target_).endswith(BASIC_SWEEPER):
        _check_folders(config, loader, list(jobs_of(overrides)))


def jobs_of(overrides: Sequence[Override]) -> Iterator[list[str]]:
    """Yield the overrides of every job of a sweep; of a plain command, its own alone."""
    choices: dict[str, list[str]] = {}
    for one in overrides:
        key = one.get_key_element()
        values = one.sweep_string_iterator() if one.is_discrete_sweep() else None
        choices[key] = [str(one.input_line)] if values is None else [f"{key}={v}" for v in values]
    yield from map(list, itertools.product(*choices.values()))


def _check_folders(config: DictConfig, loader: ConfigLoader, jobs: Sequence[list[str]]) -> None:
    if len(jobs) < 2:
        return
    sharing: dict[str, list[list[str]]] = defaultdict(list)
    before = HydraConfig.instance().cfg
    try:
        for number, job in enumerate(jobs):
            whole = loader.load_sweep_config(config, job)
            with open_dict(whole):
                whole.hydra.job.num, whole.hydra.job.id = number, str(number)
            sharing[_folder(whole)].append(job)
    finally:
        HydraConfig.instance().cfg = before
    for folder, same in sharing.items():
        if len(same) > 1:
            first, second = same[:2]
            own = [[entry for entry in first if entry not in second]]
            own += [[entry for entry in second if entry not in first]]
            told = " and ".join(" ".join(entries) for entries in own if entries)
            raise ValueError(
                f"hydra.sweep.subdir: two jobs ({told or 'the same one twice'}) would share the "
                f"folder {folder}, and the second would overwrite the first; leave the setting "
                "out, so that each job's folder is named after what it overrides"
            )


def _folder(whole: DictConfig) -> str:
    """Return a job's folder, as Hydra will choose it."""
    HydraConfig.instance().set_config(whole)
    parts = (str(OmegaConf.select(whole, f"hydra.sweep.{name}")) for name in ("dir", "subdir"))
    return os.path.normcase(os.path.normpath(Path(*parts)))
