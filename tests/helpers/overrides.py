"""What a command's overrides stand for, as Hydra takes them."""

from collections.abc import Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from diffmvr.runs import sweep_folders


def jobs_of(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of every job of a sweep; of a plain command, its own alone.

    Hydra must be initialized: ``glob(*)`` means what there is.  Of a range of numbers, which a
    search chooses from, the first stands for all.
    """
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    given = [
        parser.parse_override(f"{one.get_key_element()}={one.value().start}")
        if one.is_interval_sweep()
        else one
        for one in parser.parse_overrides(list(overrides))
    ]
    return list(sweep_folders.jobs_of(given))
