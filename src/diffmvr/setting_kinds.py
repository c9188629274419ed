"""Composed settings whose values are of another kind than the settings are.

Hydra takes ``trainer.max_steps=abc`` and ``confidence=nan`` without a word, and what they are given
to finds out late or not at all.  What a setting is, is told by its default.
"""

import math
from collections.abc import Iterator
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffmvr.checks import check_count, check_number

# Numbers, or true and false, that may be a word as well, by the last part of their names:
# trainer.devices=auto, logger.wandb.log_model=all, fps=30000/1001.
ALSO_WORDS = frozenset(("devices", "log_model", "fps"))
# Whole numbers of at least 1 in every command that has them, null where the default is null.
COUNTS = frozenset(
    (
        *("threads", "limit", "clips_per_subject", "max_clips", "num_inference_steps"),
        *("batch_size", "batch_frames", "window", "num_frames", "accumulate_grad_batches"),
        *("num_nodes", "log_every_n_steps"),
    )
)
# Numbers of at least 0 in every command that has them; what reads them says so late, or not at all.
NOT_NEGATIVE = frozenset(
    ("lr", "learning_rate", "weight", "weight_decay", "num_workers", "gradient_clip_val")
)
MAX_SEED = 2**32 - 1


def check_kinds(cfg: DictConfig) -> None:
    """Require of every setting what its default is: a number, or true or false.

    Inside a command of Hydra only: the defaults are composed anew.

    Args:
        cfg: the composed settings.

    Raises:
        ValueError: with the first that is of another kind, not finite, or out of range.
    """
    values = dict(_leaves(OmegaConf.to_container(cfg, resolve=False)))
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key}: expected a finite number, got {value}")
    given = [key for key in _given() if key in values]
    # Composing takes a moment, and a plain number where one is expected is the common case.
    if any(not _is_number(values[key]) for key in given):
        defaults = dict(_leaves(OmegaConf.to_container(_defaults(), resolve=False)))
        for key in given:
            _check_kind(key, values[key], defaults.get(key))
    for key, value in values.items():
        name = key.rpartition(".")[2]
        if isinstance(value, str):
            continue  # another setting's, by ${...}
        if name in COUNTS:
            check_count(key, value, optional=True)
        elif name in NOT_NEGATIVE and _is_number(value) and value < 0:
            raise ValueError(f"{key}: expected a number of at least 0, got {value}")
        elif name == "seed" and value is not None:
            check_number(key, value, 0, MAX_SEED)


def _check_kind(key: str, value: Any, default: Any) -> None:
    if value is None or key.rpartition(".")[2] in ALSO_WORDS or _refers(value):
        return
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ValueError(f"{key}: expected true or false, got {value!r}")
    if _is_number(default) and not _is_number(value):
        raise ValueError(f"{key}: expected a number, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refers(value: Any) -> bool:
    return isinstance(value, str) and "${" in value


def _leaves(content: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value by its full name; a list's entries by their numbers."""
    if isinstance(content, dict):
        entries = [(str(key), value) for key, value in content.items()]
    elif isinstance(content, list):
        entries = [(str(index), value) for index, value in enumerate(content)]
    else:
        yield above, content
        return
    for key, value in entries:
        yield from _leaves(value, f"{above}.{key}" if above else key)


def _given() -> list[str]:
    """Return the names of the settings that the command line gives a value."""
    parsed = OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))
    return [entry.key_or_group for entry in parsed if not (entry.is_add() or entry.is_delete())]


def _defaults() -> DictConfig:
    """Compose the settings with the choices of groups alone."""
    loader = GlobalHydra.instance().config_loader()
    parser = OverridesParser.create()
    task = list(HydraConfig.get().overrides.task)
    kept = [
        text
        for text, entry in zip(task, parser.parse_overrides(task), strict=True)
        if entry.is_delete() or loader.get_group_options(entry.key_or_group)
    ]
    name = HydraConfig.get().job.config_name
    return loader.load_configuration(name, kept, run_mode=RunMode.RUN)
