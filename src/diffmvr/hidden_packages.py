"""Packages that a command has no use for, and that libraries import if they find them."""

import sys
from collections.abc import Iterable

# diffusers looks for transformers, OpenCLIP for transformers and timm, timm for wandb.  They take
# a third of the time that a restoration needs to start; each library goes on without them.
UNUSED_BY_RESTORE = ("timm", "transformers", "wandb")


def hide(names: Iterable[str]) -> None:
    """Make packages look as if they were not installed, for the rest of this process.

    For a process that is one command: other users of a library would miss what it left out.

    Args:
        names: of packages; what has been imported already stays.
    """
    for name in names:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
