"""A mistyped setting is answered with the nearest right name, before anything heavy is imported.

Three mistakes are looked for: a choice that a group does not offer (``experiment=dul``), a setting
that a command does not have (``sede=3``), and code of the user's own that is not there
(``guide.fusion=my_fusion:Shrap``).  Whatever else is wrong Hydra says.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString, ValueType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from diffmvr.own_code import TARGET, check_named

# So many names still make a line that is read.
SHOWN = 12
# Whose classes the settings that come with the package name.
SHIPPED = ("diffmvr", "diffusers", "hydra", "hydra_plugins", "lightning", "torch")


@functools.cache
def check_names(settings: Path, overrides: tuple[str, ...]) -> None:
    """Require that every setting exists, and every choice of a group.

    Args:
        settings: the YAML file of a command's settings.
        overrides: what was typed, as Hydra reads it, without options.

    Raises:
        ValueError: with the first that does not exist, or names code that does not, and what is
            meant probably.
        HydraException: with what else Hydra would refuse.
    """
    if not overrides:
        return
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    with initialize_config_dir(str(settings.parent), version_base="1.3"):
        groups = [one for one in parsed if _options(one.key_or_group)]
        chosen = [one for one in groups if _is_listed(one)]
        for one in chosen:
            _check_choices(one)
        in_one_job = [_in_one_job(one) for one in chosen]
        cfg = compose(settings.stem, in_one_job, return_hydra_config=True)
    for one in parsed:
        if one not in groups and one.type is OverrideType.CHANGE:
            _check_setting(one, cfg)
    for key, value in _named_code(parsed, cfg):
        check_named(key, value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return which of the known names is meant: ``; did you mean seed?``, or what is known.

    >>> nearest("dul", ["dual", "motion"])
    'did you mean dual?'
    >>> nearest("max_steps", ["seed", "trainer.max_steps"])
    'did you mean trainer.max_steps?'
    >>> nearest("x", ["dual", "motion"])
    'known are dual, motion'
    """
    names = list(dict.fromkeys(known))
    last = name.rpartition(".")[2]
    same = [one for one in names if one.rpartition(".")[2] == last]
    close = get_close_matches(name, names, n=1) or same[:1]
    if not close:
        # A mistake in the last part of a long name, whose first part is left out.
        ends = {one.rpartition(".")[2]: one for one in reversed(names)}
        close = [ends[end] for end in get_close_matches(last, ends, n=1)]
    if close:
        return f"did you mean {close[0]}?"
    shown = names if len(names) <= SHOWN else [*names[:SHOWN], "…"]
    return f"known are {', '.join(shown)}"


def _options(group: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    options: list[str] = loader.get_group_options(group, results_filter=ObjectType.CONFIG)
    return options


def _is_listed(override: Override) -> bool:
    """Whether the values are written out: a single one, or a sweep's with commas between them."""
    listed = (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP)
    return not override.is_sweep_override() or override.value_type in listed


def _choices(override: Override) -> Iterator[str]:
    """Yield every name of a choice in a group's override."""
    values = override.sweep_iterator() if override.is_sweep_override() else [override.value()]
    for value in values:
        for choice in value if isinstance(value, list) else [value]:
            if isinstance(choice, str | QuotedString):
                yield choice.text if isinstance(choice, QuotedString) else choice


def _check_choices(override: Override) -> None:
    group, options = override.key_or_group, _options(override.key_or_group)
    for choice in _choices(override):
        # A choice may lie deeper, in a folder of the group's.
        if choice not in options and "/" not in choice:
            raise ValueError(
                f"{group}: expected one of {', '.join(options)}, got {choice!r}; "
                f"{nearest(choice, options)}"
            )


def _in_one_job(override: Override) -> str:
    """Return a group's override as the first job of a sweep has it."""
    if not override.is_sweep_override():
        return str(override.input_line)
    return f"{override.get_key_element()}={next(override.sweep_string_iterator())}"


def _check_setting(override: Override, cfg: DictConfig) -> None:
    key = override.key_or_group
    value = None if override.is_sweep_override() else override.value()
    try:
        OmegaConf.update(cfg, key, value, merge=True)
    except (ConfigAttributeError, ConfigKeyError):
        known = [*_names(cfg), *cfg.hydra.runtime.choices]
        of_hydra = key.startswith("hydra")
        meant = nearest(key, (name for name in known if name.startswith("hydra") == of_hydra))
        raise ValueError(
            f"{key}: this command has no such setting; {meant}; --help shows all settings"
        ) from None
    except OmegaConfBaseException:
        return


def _named_code(parsed: Sequence[Override], cfg: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield settings that may name code of the user's own: what was typed, and what files say."""
    for one in parsed:
        if one.type is not OverrideType.DEL and _is_listed(one):
            values = one.sweep_iterator() if one.is_sweep_override() else [one.value()]
            for value in values:
                yield from _leaves(one.key_or_group, value)
    for key, value in _leaves("", OmegaConf.to_container(cfg, resolve=False)):
        if not (key.endswith(TARGET) and str(value).partition(".")[0] in SHIPPED):
            yield key, value


def _leaves(key: str, content: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value with the full name of its setting; of a list each with the list's."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _leaves(f"{key}.{name}" if key else str(name), value)
    elif isinstance(content, list):
        for value in content:
            yield from _leaves(key, value)
    else:
        yield key, content.text if isinstance(content, QuotedString) else content


def _names(cfg: DictConfig) -> Iterator[str]:
    """Yield the dotted names of all settings, those near the top first."""
    level: Sequence[tuple[str, Any]] = [("", OmegaConf.to_container(cfg, resolve=False))]
    while level:
        below = [
            (f"{prefix}{key}", value)
            for prefix, content in level
            if isinstance(content, dict)
            for key, value in content.items()
        ]
        yield from (name for name, _ in below)
        level = [(f"{name}.", value) for name, value in below]
