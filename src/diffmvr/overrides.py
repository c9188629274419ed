"""What a user types as ``key=value``, written so that Hydra reads what was meant.

Hydra's grammar knows no letters but those of ASCII and takes commas, brackets, braces, quotes,
parentheses, ``=`` and ``~`` for its own.  A path may hold all of them.  So settings that are text
(``TEXT``) are taken as they are, by these rules, the first that fits:

1. ``null`` is nothing, except where there must be something (``NAMED``).
2. What exists under exactly that name is meant.
3. With ``--multirun`` commas part the values of a sweep, and ``glob(…)``, ``choice(…)`` and so on
   are Hydra's.  Without it a comma parts nothing.
4. ``[…]`` is a list in the settings that may be one (``LISTS``); commas part its entries.
5. Text that is wholly in quotes is what is between them.
6. Anything else is the text itself.  ``${…}`` in it stands for another setting.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

# Settings that are text whatever it looks like, files and folders above all, by the last part of
# their names: to Hydra ``output=2024_03_05`` is a number, 20240305.
TEXT = frozenset(
    (
        *("input", "output", "mask", "boxes", "source", "sweeps", "runs", "root", "annotations"),
        *("dir", "subdir", "folder", "encodings", "ckpt_path", "model", "base", "configs", "init"),
        *("weights", "face_weights", "occluder_weights", "metric_weights", "landmarker", "bundle"),
        "calibration",
        *("symmetric", "past", "present", "vae", "image_encoder", "python"),
        *("name", "title", "licence", "project", "partition"),
        *("pattern", "subject", "prompt", "negative_prompt"),
        *("sign", "public_key", "film", "host", "token"),
    )
)
# The same in the settings of one folder; elsewhere they are numbers.
TEXT_IN = {"preprocess": frozenset(("masks",))}
# Text without which there is nothing to do: ``output=null`` is a folder of that name.
NAMED = frozenset(("input", "output", "source", "root"))
# Text, or a list of texts.
LISTS = frozenset(("source", "sweeps", "runs", "past"))

_SWEEP = re.compile(r"(choice|glob|range|interval|sort|shuffle|tag)\(.*\)", re.DOTALL)
# What stands between commas; commas in quotes part nothing.
_PART = re.compile(r"""(?:'(?:\\.|[^'\\])*'(?=\s*(?:,|$))|"(?:\\.|[^"\\])*"(?=\s*(?:,|$))|[^,])+""")
_MISSING = "???"


def as_overrides(arguments: Sequence[str], settings: Path | None = None) -> list[str]:
    """Write a command's arguments so that Hydra can read them, whatever the paths in them are.

    Args:
        arguments: as the shell gives them.
        settings: folder of the command's settings; the folders in it are groups, whose choices are
            Hydra's matter.
    """
    multirun = any(
        one in ("-m", "--multirun") or one.lower() == "hydra.mode=multirun" for one in arguments
    )
    return [as_override(one, multirun, settings) for one in arguments]


def as_override(argument: str, multirun: bool = False, settings: Path | None = None) -> str:
    """Write one argument so that Hydra can read it; see :func:`as_overrides`.

    ``~/`` is the home folder; shells put it in after some keys only.
    """
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals:
        return argument
    value = str(Path(value).expanduser()) if value.startswith("~/") else value
    plain_key = key.lstrip("+")
    name = plain_key.rpartition(".")[2]
    text, is_group = name in TEXT, False
    if settings is not None:
        text = text or name in TEXT_IN.get(settings.name, ())
        is_group = (settings / plain_key).is_dir()
    if text and not is_group:
        # Hydra's own settings are those of the whole sweep.
        return f"{key}={_text(value, name, multirun and not plain_key.startswith('hydra.'))}"
    # What is written as a list, a dict or a string of Hydra's is left for Hydra to judge.
    if value.startswith(("[", "{", "'", '"')) or _parsed(value) is not None:
        return f"{key}={value}"
    return f"{key}={quoted(value)}"


def _text(value: str, name: str, swept: bool) -> str:
    if value.lower() == "null" and name not in NAMED:
        return value
    if os.path.lexists(value):
        return _literal(value.replace("${", r"\${"))
    if swept:
        if _SWEEP.fullmatch(value):
            return value
        parts = _PART.findall(value)
        if len(parts) > 1 and not value.startswith("["):
            return ",".join(_text(part.strip(), name, swept=False) for part in parts)
        parsed = _parsed(value)
        if parsed is not None and parsed.is_sweep_override():
            return value
    if name in LISTS and value.startswith("[") and value.endswith("]"):
        entries = (entry.strip() for entry in _PART.findall(value[1:-1]))
        return f"[{','.join(_text(entry, 'input', swept=False) for entry in entries if entry)}]"
    if value.startswith(("'", '"')):
        parsed = _parsed(value)
        if parsed is not None and isinstance(parsed._value, QuotedString):
            return value
    return _literal(value)


def _literal(value: str) -> str:
    """Write text so that Hydra reads exactly that."""
    # Whatever its path, a value of that name would be one that is not given.
    value = f"./{value}" if value == _MISSING else value
    parsed = _parsed(value)
    if parsed is None or parsed.is_sweep_override():
        return quoted(value)
    read = parsed.value()
    # A backslash at the end would be one before whatever follows it in a list.
    same = isinstance(read, str) and read == value and not value.endswith("\\")
    return value if same else quoted(value)


def _parsed(value: str) -> Override | None:
    """Return what Hydra makes of a value; ``None`` if it cannot read it."""
    try:
        return OverridesParser.create().parse_override(f"key={value}")
    except HydraException:
        return None


def quoted(value: str) -> str:
    """Write text in quotes, as Hydra reads them."""
    return QuotedString(value, Quote.single).with_quotes()
