"""What lies beside a recording: its masks, or the boxes of its face."""

from pathlib import Path

from diffmvr.parsing import user_path
from diffmvr.preprocessing.folder_contents import sort_files
from diffmvr.preprocessing.layouts import Recording


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
    for suffix in ("", ".png") if name == "masks" else (".csv", ".parquet"):
        if (candidate := path / f"{recording.name}{suffix}").exists():
            return candidate
    if name == "masks" and path.is_dir():
        contents = sort_files(file for file in path.iterdir() if file.stem == recording.name)
        if found := (*contents.pictures, *contents.videos):
            return found[0]
    raise FileNotFoundError(
        f"{name}: {path} holds nothing called {recording.name!r}; with several recordings give a "
        f"folder with one entry for each, named like the recording"
    )
