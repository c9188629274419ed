"""A user's own code in settings: ``module:attribute`` where there are named choices, ``_target_``.

``guide.fusion=my_fusion:Sparse`` takes ``Sparse`` of ``my_fusion.py``, which Python finds as it
finds every module: installed, on ``PYTHONPATH``, or in the working folder of ``python -m`` (the
program ``diffmvr`` imports nothing from there).  Who gives the setting wants the module to run.  A
model that was trained with it names it in its files, and a file may be somebody else's: what a file
names is looked up only if the user has named the same before in this process, or lets its module by
``DIFFMVR_PLUGINS=my_fusion``.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

PLUGINS = "DIFFMVR_PLUGINS"
"""Modules, parted by commas, that a file may name."""

TARGET = "_target_"
"""The setting that Hydra builds an object by: ``package.module.Class``."""

OWN = ("fusion", "kinds", "backbone")
"""The last names of the settings that take ``module:attribute``."""

_named: set[str] = set()


def is_own(choice: Any) -> bool:
    """Return whether a setting's value names code of the user's own."""
    return isinstance(choice, str) and ":" in choice


def check_choice(setting: str, value: Any, choices: Iterable[str]) -> None:
    """Require one of the named choices, or code of the user's own that is there.

    Raises:
        ValueError: with the value, the choices, and what is wrong with the user's own.
    """
    named = list(choices)
    if is_own(value):
        load_own(setting, value)
    elif value not in named:
        raise ValueError(
            f"{setting}: expected one of {named}, or your own as 'module:name', got {value!r}"
        )


def load_own(setting: str, value: str) -> Any:
    """Return what ``module:attribute`` names; the module is imported.

    Raises:
        ValueError: if there is no such module, it cannot be imported, or it has no such attribute.
    """
    module_name, _, attribute = value.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, TypeError, ValueError) as error:
        raise ValueError(
            f"{setting}: {value!r}: {error}; give 'module:name' of a module that is installed or "
            "in a folder on PYTHONPATH"
        ) from error
    if not attribute.isidentifier() or not hasattr(module, attribute):
        close = get_close_matches(attribute, vars(module), n=1)
        meant = f"; did you mean {module_name}:{close[0]}?" if close else ""
        raise ValueError(f"{setting}: {value!r}: {module_name} has no {attribute!r}{meant}")
    _named.add(value)
    return getattr(module, attribute)


def check_named(setting: str, value: Any) -> None:
    """Require that the code which a setting names is there; what names none is passed over.

    Args:
        setting: its full name: ``guide.fusion``, ``loss.extra.gradients._target_``.
        value: of the setting.

    Raises:
        ValueError: if there is no such module, it cannot be imported, or it has no such attribute.
    """
    name = setting.rpartition(".")[2]
    if name in OWN and is_own(value):
        load_own(setting, value)
    elif name == TARGET and isinstance(value, str):
        try:
            pkgutil.resolve_name(value)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{setting}: {value!r}: {error}; give module.Class of a module that is installed "
                "or in a folder on PYTHONPATH"
            ) from error


def load_own_class(setting: str, value: str, base: type) -> Any:
    """Return a class that ``module:Class`` names.

    Raises:
        ValueError: if there is none, or it is not derived from ``base``.
    """
    found = load_own(setting, value)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{setting}: {value!r}: expected a class derived from {base.__name__}")
    return found


def check_trusted(value: Any, source: object) -> None:
    """Require that code which a file names has been let, or was named by the user before.

    Args:
        value: what the file says; a named choice of this package is always right.
        source: the file, for the message.

    Raises:
        ValueError: if it may not be imported; with the way to let it.
    """
    if not is_own(value):
        return
    module = value.partition(":")[0]
    if value not in _named and module not in os.environ.get(PLUGINS, "").split(","):
        raise ValueError(
            f"{source}: it was made with {value!r}, code that is not of diffmvr; if you trust it, "
            f"set {PLUGINS}={module} and have {module}.py on PYTHONPATH"
        )


def part_name(choice: str) -> str:
    """Return a choice's name as a part of a network, which holds no dot."""
    return choice.replace(".", "/")
