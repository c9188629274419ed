"""What lies beside a recording: its masks, or the boxes of its face."""

from collections.abc import Sequence
from pathlib import Path

from diffmvr.parsing import user_path
from diffmvr.preprocessing.folder_contents import sort_files
from diffmvr.preprocessing.layouts import Recording, plain_name

TABLES = (".csv", ".parquet")


def find_beside(given: str | None, recording: Recording, count: int, name: str) -> Path | None:
    """Find what belongs to a recording: masks or boxes.

    Args:
        given: the user's path: for one recording its own; for several a folder that holds, for
            each, a folder or a file of the recording's name.
        recording: the recording.
        count: how many recordings there are.
        name: the argument's name, for messages.

    Returns:
        The path; for masks without one, what lies beside the recording, or ``None``.

    Raises:
        FileNotFoundError: if there is nothing for this recording.
    """
    if given is None:
        return recording.masks if name == "masks" else None
    path = user_path(given)
    if not path.exists():
        raise FileNotFoundError(f"{name}: there is no file or folder {path}; check the path")
    if count == 1 and not (name == "boxes" and path.is_dir()):
        return path
    for suffix in ("", ".png") if name == "masks" else TABLES:
        if (candidate := path / f"{recording.name}{suffix}").exists():
            return candidate
    if path.is_dir():
        # The recording's name is what its file's became; the entry is called like the file.
        same = [entry for entry in sorted(path.iterdir()) if recording.name in _names(entry)]
        if found := _masks(same) if name == "masks" else [e for e in same if e.suffix in TABLES]:
            return found[0]
    raise FileNotFoundError(
        f"{name}: {path} holds nothing called {recording.name!r}; with several recordings give a "
        f"folder with one entry for each, named like the recording"
    )


def _names(entry: Path) -> tuple[str, ...]:
    """Return what a recording of this name, with or without its suffix, would be called."""
    if entry.name.startswith("."):
        return ()
    return plain_name(entry.name), plain_name(entry.stem)


def _masks(entries: Sequence[Path]) -> list[Path]:
    contents = sort_files(entries)
    folders = [entry for entry in entries if entry.is_dir()]
    return [*folders, *contents.pictures, *contents.videos]
