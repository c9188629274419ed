"""An output folder that holds finished results or nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diffmvr.checks import check_output_dir

STAGING_NAME = ".partial"


@contextmanager
def staged_output(path: Path, name: str = "output") -> Iterator[Path]:
    """Lend a folder to write into; what is in it appears under ``path`` only if all went well.

    The staging folder ``path/.partial`` is on the same file system as the result, so that each
    file or folder is moved in one step.  After an error it is removed, and so is every folder
    that was created for it.

    Args:
        path: the output folder, absent or empty.
        name: the argument's name, for messages.

    Raises:
        ValueError: if ``path`` is a file, is not empty or cannot be written, or another run is at
            work in it or was killed there.
    """
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    staging = path / STAGING_NAME
    if staging.is_dir():
        raise ValueError(
            f"{name}: {path} holds {STAGING_NAME}, of a run that is at work there or was killed; "
            "give a new folder, or remove this one"
        )
    try:
        check_output_dir(name, path)
        staging.mkdir()
        try:
            yield staging
            for entry in sorted(staging.iterdir()):
                entry.rename(path / entry.name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()
        raise
