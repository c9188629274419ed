"""What tells a job of a sweep from the others, as a part of its name and of its folder's.

Hydra tells a job what it overrides, and not which of it the sweep varies.  So the process that
starts the sweep notes the varied settings (``VARIED``) in Hydra's own settings of every job, where
they are found in whatever process the job runs.
"""

import hashlib
import re
from collections.abc import Collection
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from omegaconf import DictConfig

VARIED = "DIFFMVR_VARIED"
# What ``${name}-s${seed}`` and a shard's folder tell already; and what chooses a name, unless one
# is given.
TOLD = frozenset(("name", "seed", "shard"))
NAMING = frozenset(("baseline", "experiment", "inpainter"))
# Columns of the score rows, so that the name need not tell them apart.
IN_ROWS = frozenset(("mask",))
MAX_BYTES = 120
DIGITS = 8


def varied_settings() -> dict[str, str]:
    """Return what the sweep varies and this job's name does not tell, as text by setting.

    Empty outside of a sweep.
    """
    if not HydraConfig.initialized():
        return {}
    settings = HydraConfig.get()
    varied = settings.job.env_set.get(VARIED, "").split(",")
    given = OverridesParser.create().parse_overrides(list(settings.overrides.task))
    keys = {override.key_or_group for override in given}
    told = TOLD | (set() if "name" in keys - set(varied) else NAMING)
    kept = [o for o in given if o.key_or_group in varied and o.key_or_group not in told]
    return {override.key_or_group: _value(override) for override in kept}


def varied_part(leave_out: Collection[str] = ()) -> str:
    """Return ``-guide.fusion=gated`` in a sweep of it, and nothing outside of a sweep.

    What no file's name can hold, and what is too long, is cut and told by its hash.

    Args:
        leave_out: settings that need not be told.
    """
    settings = {key: value for key, value in varied_settings().items() if key not in leave_out}
    text = "".join(f"-{key}={value}" for key, value in sorted(settings.items()))
    plain = re.sub(r"[^\w.+=-]+", "_", text)
    if plain == text and len(text.encode()) <= MAX_BYTES:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    kept = plain.encode()[: MAX_BYTES - DIGITS - 1].decode(errors="ignore")
    return f"{kept}_{digest}"


def job_name(cfg: DictConfig) -> str:
    """Return the name of a run: its own among those of a sweep, in tables as well.

    Args:
        cfg: the composed configuration, with ``name``.
    """
    return f"{cfg.name}{varied_part(IN_ROWS)}"


def _value(override: Override) -> str:
    value: Any = override._value
    return value.text if isinstance(value, QuotedString) else override.get_value_string()
