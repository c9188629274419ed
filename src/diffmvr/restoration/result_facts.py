"""What restored frames depend on, so that a later call knows them for its own."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diffmvr.config import PACKAGE
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.runs.facts import machine, package_versions

OF_THE_FILES = (
    *("format", "crf", "concat", "audio", "keep_mib", "device"),
    *("mark", "keep_metadata", "overlay"),
)
"""Settings that change how frames are written, not what they show; of a device its name counts."""


def result_facts(
    settings: RestoreSettings,
    weights: Mapping[str, str],
    files: Mapping[str, Path],
    device: torch.device,
) -> dict[str, Any]:
    """Return what the frames depend on, by name.

    Args:
        settings: how they are restored.
        weights: hash of every weights file of the model.
        files: what is read, by the setting that names it.  Size and time of change tell a file
            from another: to hash an hour of video takes as long as to decode it.
        device: where the model runs.
    """
    values = settings.without_paths()
    return {
        **{name: value for name, value in values.items() if name not in OF_THE_FILES},
        **{name: _states(path) for name, path in files.items()},
        "weights": dict(weights),
        "version of the program": _program_hash(),
        "version of a library": package_versions(),
        "machine": machine(device),
    }


def _states(path: Path) -> str:
    """Return a hash of a file's size and time of change, or of those of a folder's own files."""
    files = [path]
    if path.is_dir():
        # Not those of folders in it: one may be the output.
        files = sorted(file for file in path.iterdir() if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        state = file.stat()
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _program_hash() -> str:
    """Return one hash of this package's source: between two versions it may change, too."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
