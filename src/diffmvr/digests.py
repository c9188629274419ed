"""Files named by their content."""

import hashlib
from pathlib import Path


def hash_files(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder in the order of their names.

    A folder's model card (``.md``) does not count.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix != ".md")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as reader:
            hashlib.file_digest(reader, lambda: digest)
    return digest.hexdigest()
