"""What a user typed, read into values: composed settings, frame rates and naming patterns."""

import re
from collections.abc import Collection, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

Settings = TypeVar("Settings")

MIN_RATE, MAX_RATE = Fraction(1, 1000), Fraction(1000)
# Media files hold rates as two whole numbers of 32 bits; 29.970029970029973 is 30000/1001.
MAX_DENOMINATOR = 1_000_000


def read_settings(kind: type[Settings], config: DictConfig, needed: Mapping[str, str]) -> Settings:
    """Check the types of a composed configuration and wrap it.

    Args:
        kind: the dataclass of the settings.
        config: the composed configuration.
        needed: keys that must not be empty, each with what is expected there and how to give it,
            as ``"a new folder, got none; give output=DIR"``.

    Raises:
        ValueError: naming the key that is missing or whose value has the wrong type.
    """
    # An empty path, such as an unset shell variable leaves, would be the current folder.
    for key, expected in needed.items():
        if not config[key]:
            raise ValueError(f"{key}: expected {expected}")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(kind), config)
        # Resolved, since a name that holds "${" is escaped until then.
        values: Any = OmegaConf.to_container(merged, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        if "is not a ListConfig" in reason:
            got = OmegaConf.select(config, str(error.full_key))
            reason = f"expected a list such as [1,2], got {got!r}"
        elif "to Dict" in reason:
            got = OmegaConf.select(config, str(error.full_key))
            reason = f"expected settings, as {error.full_key}.NAME=VALUE, got {got!r}"
        raise ValueError(f"{error.full_key}: {reason}") from error
    return kind(**values)


def user_path(text: str | Path) -> Path:
    """Return the path that a user gave.

    ``~`` and what lies below it are the home folder; ``~name`` is a file or folder of that name.
    """
    given = str(text)
    return Path(given).expanduser() if given == "~" or given.startswith("~/") else Path(given)


def parse_rate(name: str, text: str, examples: str = "25 or 30000/1001") -> Fraction:
    """Read a frame rate such as 25, 29.97 or 30000/1001, as exactly as media files hold one.

    Args:
        name: the argument's name, for the message.
        text: what was typed.
        examples: what else could have been, for the message.

    Raises:
        ValueError: if it is not a positive number, or not a sensible one.
    """
    try:
        rate = Fraction(text).limit_denominator(MAX_DENOMINATOR)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(
            f"{name}: expected a number from {float(MIN_RATE):g} to {float(MAX_RATE):g} such as "
            f"{examples}, got {text!r}"
        )
    return rate


def parse_pattern(
    name: str, text: str, example: str, others: Collection[str] | None = None
) -> re.Pattern[str]:
    """Compile a regular expression that tells a subject by its named group ``subject``.

    Args:
        name: the argument's name, for the message.
        text: the expression.
        example: one that would do, for the message.
        others: the other named groups that it may have; ``None`` allows any.

    Raises:
        ValueError: if it is no regular expression, or its groups are others.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(
            f"{name}: {text!r} is not a regular expression ({error}); for example {example}"
        ) from error
    groups = set(pattern.groupindex)
    unknown = set() if others is None else groups - {"subject", *others}
    if "subject" not in groups or unknown:
        perhaps = f" and perhaps {' and '.join(others)}" if others else ""
        raise ValueError(
            f"{name}: expected a group subject{perhaps}, got {sorted(groups)} in {text!r}; "
            f"for example {example}"
        )
    return pattern
