"""Write ``SHA256SUMS`` of the weights that ship, which are checked when they are read.

python experiments/weight_sums.py [FOLDER]
"""

import sys
from pathlib import Path

from diffmvr.config import weights_dir
from diffmvr.files import hash_files, write_text
from diffmvr.published_weights import SUMS_FILE


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file of weights in a folder, as ``sha256sum`` would."""
    files = sorted(folder.rglob("*.safetensors"), key=lambda file: file.relative_to(folder).parts)
    lines = [f"{hash_files(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    write_text(folder / SUMS_FILE, "".join(lines))


if __name__ == "__main__":
    write_sums(Path(sys.argv[1]) if sys.argv[1:] else weights_dir())
