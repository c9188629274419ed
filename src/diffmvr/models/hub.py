"""Published weights: taken from the hub's cache, or fetched once, or named with what fetches them.

With ``HF_HUB_OFFLINE=1`` the network is never asked.  Without it an absent file costs one request
with a short limit, so that a machine without a network says what is missing at once.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants, snapshot_download

from diffmvr.checks import WeightsNotPresentError
from diffmvr.text import first_line

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3.0


def download_command(
    repository: str,
    patterns: Sequence[str],
    folder: str | Path | None = None,
    excluded: Sequence[str] = (),
) -> str:
    """Return the command that fetches files of a repository.

    Args:
        repository: its id on the hub, ``owner/name``.
        patterns: which files.
        folder: where to; None: into the hub's cache.
        excluded: which of them not.
    """
    parts = [f"hf download {repository}", *(f"--include '{pattern}'" for pattern in patterns)]
    parts += [f"--exclude '{pattern}'" for pattern in excluded]
    return " ".join([*parts, *([] if folder is None else [f"--local-dir {folder}"])])


def cached_snapshot(repository: str) -> Path | None:
    """Return the folder of a repository in the hub's cache; None if there is none."""
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError):
        return None


def fetch(
    repository: str, patterns: Sequence[str], needed: Sequence[str], folder: str, setting: str
) -> Path:
    """Return the local folder with files of a repository.

    Args:
        repository: its id on the hub, ``owner/name``.
        patterns: which files are fetched.
        needed: without which of them it is of no use.
        folder: where a user may put them, for the message.
        setting: how the user then names that folder, for the message.

    Raises:
        WeightsNotPresentError: if they are neither in the cache nor to be had now.
    """
    cached = cached_snapshot(repository)
    if cached is not None and all((cached / name).is_file() for name in needed):
        return cached
    where = "the hub's cache, and HF_HUB_OFFLINE forbids to ask the hub"
    if not constants.HF_HUB_OFFLINE:
        log.info("fetching %s from the hub", repository)
        try:
            fetched = Path(
                snapshot_download(
                    repository, allow_patterns=list(patterns), etag_timeout=TIMEOUT_SECONDS
                )
            )
        except (OSError, ValueError) as error:
            where = f"the hub's cache, and the hub does not give it ({first_line(error)})"
        else:
            missing = [name for name in needed if not (fetched / name).is_file()]
            if not missing:
                return fetched
            where = f"the hub or its cache without {missing[0]}"
    raise WeightsNotPresentError(
        f"weights not present: {repository} in {where}; run "
        f"`{download_command(repository, patterns, folder)}`, then give {setting}"
    )
