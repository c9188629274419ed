"""``python -m diffmvr.weights list``: published weights, where they lie and what brings them.

    python -m diffmvr.weights list              what there is, how large, under which licence
    python -m diffmvr.weights where NAME        where it must lie, and how it comes to a machine
                                                without a network
    python -m diffmvr.weights get NAME [DIR]    fetch it; nothing else here asks the network

DIR is the folder to put it into; without it a single file goes where it is looked for, and files of
the hub into the hub's cache.
"""

import logging
import shutil
import sys
import urllib.request
from pathlib import Path

from diffmvr.checks import WeightsNotPresentError
from diffmvr.cli import run_cli
from diffmvr.files import write_at_once
from diffmvr.landmarker_bundle import BUNDLE_NAME, find_landmarker_bundle
from diffmvr.published_weights import COMMAND, PublishedWeights, published_weights
from diffmvr.setting_names import nearest
from diffmvr.text import first_line

log = logging.getLogger(__name__)

ACTIONS = ("list", "where", "get")
TIMEOUT_SECONDS = 20.0


def find(one: PublishedWeights) -> Path | None:
    """Return where weights lie: the hub's snapshot or the file; ``None`` if they are absent."""
    if one.repository:
        from diffmvr.models.hub import cached_snapshot

        folder = cached_snapshot(one.repository)
        present = folder is not None and all((folder / name).is_file() for name in one.needed)
        return folder if present else None
    if one.file == BUNDLE_NAME:
        try:
            return find_landmarker_bundle()
        except FileNotFoundError:
            return None
    return one.place if one.place.is_file() else None


def listed() -> list[str]:
    """Return the list line by line, two for each: what is short, and what it is for."""
    entries = published_weights().values()
    name_width = max(len(one.name) for one in entries)
    size_width = max(len(_size(one)) for one in entries)
    lines = []
    for one in entries:
        state = "absent" if find(one) is None else "present"
        sized = f"{_size(one):{size_width}}"
        lines.append(f"{one.name:{name_width}}  {state:7}  {sized}  {one.licence}")
        lines.append(f"    {one.what}")
    return [*lines, "", f"{COMMAND} where NAME tells where it must lie; get NAME fetches it."]


def _size(one: PublishedWeights) -> str:
    return one.size.partition(";")[0]


def where(one: PublishedWeights) -> list[str]:
    """Return where weights are or must be, and how they come there by hand, line by line."""
    found = find(one)
    lines = [f"{one.name}: {one.what}", f"licence: {one.licence}", f"size: {one.size}"]
    if found is not None:
        checked = f" ({one.check(found)})" if found.is_file() else ""
        lines.append(f"present: {found}{checked}")
    else:
        place = "the hub's cache" if one.repository else str(one.place)
        lines.append(f"absent: looked for in {place}")
    folder = one.hub_folder if one.repository else one.folder
    target = folder if one.repository else f"{folder}/{one.file}"
    known = one.sha256 or (one.sha256_begins and f"{one.sha256_begins}…")
    hashed = f"SHA-256 {known}" if known else f"MD5 {one.md5}" if one.md5 else "not known here"
    return [
        *lines,
        f"hash: {hashed}",
        f"fetch it here: {COMMAND} get {one.name}",
        "for a machine without a network, on one that has it:",
        f"  {one.command(target)}",
        f"then carry {target} to the other machine, and give there",
        f"  {one.setting}",
    ]


def get(one: PublishedWeights, folder: Path | None = None) -> Path:
    """Fetch weights.

    Args:
        one: which.
        folder: where to put them; ``None``: where they are looked for.

    Returns:
        The file, or the folder of several.

    Raises:
        WeightsNotPresentError: if they cannot be had; with the way by hand.
        ValueError: if what came is not what was published.
    """
    log.info("fetching %s (%s; licence: %s)", one.name, one.size, one.licence)
    try:
        return _from_hub(one, folder) if one.repository else _from_url(one, folder)
    # Of a damaged file it is told as it is; huggingface_hub's own errors are of both kinds.
    except (OSError, ValueError) as error:
        if one.url and not isinstance(error, OSError):
            raise
        target = folder or Path(one.hub_folder if one.repository else one.folder)
        target = target / one.file if one.url else target
        raise WeightsNotPresentError(
            f"weights not present: {one.name} cannot be fetched here ({first_line(error)}); on a "
            f"machine with a network run `{one.command(target)}`, carry {target} here, and give "
            f"{one.setting} ({COMMAND} where {one.name} tells more)"
        ) from error


def _from_hub(one: PublishedWeights, folder: Path | None) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            one.repository,
            allow_patterns=list(one.files),
            ignore_patterns=list(one.excluded) or None,
            etag_timeout=TIMEOUT_SECONDS,
            local_dir=folder,
        )
    )


def _from_url(one: PublishedWeights, folder: Path | None) -> Path:
    path = one.place if folder is None else folder / one.file

    def fetch(new: Path) -> None:
        with urllib.request.urlopen(one.url, timeout=TIMEOUT_SECONDS) as answer:
            with new.open("wb") as file:
                shutil.copyfileobj(answer, file)
            length = answer.headers.get("Content-Length")
        if length is not None and new.stat().st_size != int(length):
            raise OSError(f"{new.stat().st_size} of {length} bytes came")
        log.info("%s", one.check(new))

    path.parent.mkdir(parents=True, exist_ok=True)
    write_at_once(path, fetch)
    return path


@run_cli
def main() -> None:
    """Answer what the command line asks."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    action, *names = sys.argv[1:] or ["--help"]
    if action in ("-h", "--help"):
        sys.stdout.write((__doc__ or "").partition("\n\n")[2])
        return
    if action not in ACTIONS:
        raise ValueError(f"{action}: {nearest(action, ACTIONS)}; {COMMAND} --help explains them")
    if action == "list":
        sys.stdout.write("".join(f"{line}\n" for line in listed()))
        return
    if not 1 <= len(names) <= (2 if action == "get" else 1):
        raise ValueError(f"{action}: expected a NAME, got {names}; {COMMAND} list shows them")
    found = published_weights().get(names[0])
    if found is None:
        raise ValueError(f"{names[0]}: no such weights; {nearest(names[0], published_weights())}")
    if action == "where":
        sys.stdout.write("".join(f"{line}\n" for line in where(found)))
        return
    folder = Path(names[1]).expanduser() if len(names) == 2 else None
    path = get(found, folder)
    sys.stdout.write(f"{path}\ngive it as {found.setting}\n")


if __name__ == "__main__":
    main()
