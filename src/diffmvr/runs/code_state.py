"""Which state of the source made a run: its commit, and whether anything differs from it."""

import functools
import os
import subprocess
from pathlib import Path
from typing import Any

from diffmvr.config import PACKAGE

# What shapes a result; a changed README is no other code.
SHAPES_RESULTS = ("src", "conf")
SECONDS = 30


@functools.cache
def code_state(package: Path = PACKAGE) -> dict[str, Any]:
    """Return the commit of the source that is running.

    Args:
        package: folder of the package.

    Returns:
        ``commit`` (40 hexadecimal digits) and ``dirty`` (whether ``src`` or ``conf`` differ from
        it, new files included).  Empty where the package is no checkout of git, as an installed
        wheel is not, or where there is no git.
    """
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(package, "status", "--porcelain", "--", *SHAPES_RESULTS)
    return {"commit": commit.strip(), "dirty": bool(changed)}


def code_diff(package: Path = PACKAGE) -> str | None:
    """Return how ``src`` and ``conf`` differ from the commit, as ``git diff`` writes it.

    Files that git does not know are left out.

    Args:
        package: folder of the package.

    Returns:
        The differences, empty if there are none; ``None`` where the package is no checkout.
    """
    return _git(package, "diff", "--no-color", "--no-ext-diff", "HEAD", "--", *SHAPES_RESULTS)


def _git(package: Path, *arguments: str) -> str | None:
    # src/diffmvr: the checkout's own folder, and not one in which somebody keeps an environment.
    root = package.parents[1]
    if not (root / ".git").exists():
        return None
    # A hook of another repository names that one in the environment.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            env={**plain, "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
