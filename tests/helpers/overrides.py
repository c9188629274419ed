"""What a command's overrides stand for, as Hydra takes them."""

import itertools
from collections.abc import Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser


def jobs_of(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of every job of a sweep; of a plain command, its own alone.

    Hydra must be initialized: ``glob(*)`` means what there is.
    """
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    parsed = parser.parse_overrides(list(overrides))
    fixed = [one.input_line for one in parsed if not one.is_sweep_override()]
    swept = [
        [f"{one.key_or_group}={value}" for value in one.sweep_string_iterator()]
        for one in parsed
        if one.is_sweep_override()
    ]
    return [[*fixed, *chosen] for chosen in itertools.product(*swept)]
