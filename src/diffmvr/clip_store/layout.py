"""Where things lie in a clip store.

``JPEGImages/<clip>/00000.png`` and ``Annotations/<clip>/00000.png`` are DAVIS's, so that tools for
video inpainting and annotation read a store as it is.  ``recordings/<recording>.parquet`` is the
part of the manifest of one recording; it is the last file that a recording gets, and what tells
that it is complete.
"""

import unicodedata
from pathlib import Path

IMAGES, MASKS = "JPEGImages", "Annotations"
MANIFEST_NAME = "manifest.parquet"
PARTS = "recordings"
SHEETS = "sheets"
STAGING = ".staging"
LOCK_NAME = ".lock"
MASK_SUFFIX = ".png"
MAX_NAME_BYTES = 200


def picture_path(root: Path, clip: str, frame: int, suffix: str) -> Path:
    """Return the path of a clip's picture."""
    return root / IMAGES / clip / f"{frame:05d}{suffix}"


def mask_path(root: Path, clip: str, frame: int) -> Path:
    """Return the path of a clip's mask."""
    return root / MASKS / clip / f"{frame:05d}{MASK_SUFFIX}"


def part_path(root: Path, recording: str) -> Path:
    """Return the path of a recording's part of the manifest."""
    return root / PARTS / f"{recording}.parquet"


def sheet_path(root: Path, recording: str) -> Path:
    """Return the path of a recording's contact sheet."""
    return root / SHEETS / f"{recording}.png"


def check_name(what: str, name: str) -> None:
    """Require a name that is one file's name on any system.

    Raises:
        ValueError: if it is empty, too long, hidden, or holds a character that paths do not take.
    """
    bad = sorted({c for c in name if c in '/\\:*?"<>|' or unicodedata.category(c) == "Cc"})
    if bad or not name or name != name.strip() or name[0] == "." or name[-1] == ".":
        raise ValueError(
            f"{what}: expected a plain name (no leading or trailing dot or space, none of "
            f'/ \\ : * ? " < > |), got {name!r}'
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"{what}: expected at most {MAX_NAME_BYTES} bytes, got {len(name.encode())} in {name!r}"
        )
