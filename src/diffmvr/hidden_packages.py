"""What libraries look for or import, and a command has no use for.

For a process that is one command: other users of a library would miss what it left out.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

# diffusers looks for transformers, OpenCLIP for transformers and timm, timm for wandb.  They take
# a third of the time that a restoration needs to start; each library goes on without them.
UNUSED_BY_RESTORE = ("timm", "transformers", "wandb")

# Some of diffusers' schedulers import it for a schedule of noise that nothing here uses.
DEFERRED_BY_RESTORE = ("scipy.stats",)


def hide(names: Iterable[str]) -> None:
    """Make packages look as if they were not installed, for the rest of this process.

    Args:
        names: of packages; what has been imported already stays.
    """
    for name in names:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def defer(names: Iterable[str]) -> None:
    """Import modules when something of them is first used, and not when they are imported.

    ``importlib.util.LazyLoader`` would not do: a second ``import`` of the same name loads it.

    Args:
        names: of modules; what has been imported already stays.
    """
    for name in names:
        sys.modules.setdefault(name, _Deferred(name))


def leave_distributions_unread() -> None:
    """Spare diffusers the reading of which files belong to which installed package.

    It looks up names there that differ from those of their packages, which no restoration needs;
    it goes on with the names as they are.
    """
    importlib.metadata.packages_distributions = dict


class _Deferred(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        # The import system asks for what every module has, and may do without.
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
