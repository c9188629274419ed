"""Where things lie in a clip store.

``JPEGImages/<clip>/00000.png`` and ``Annotations/<clip>/00000.png`` are DAVIS's, so that tools for
video inpainting and annotation read a store as it is.  ``recordings/<recording>.parquet`` is the
part of the manifest of one recording; it is the last file that a recording gets, and what tells
that it is complete.
"""

from pathlib import Path

IMAGES, MASKS = "JPEGImages", "Annotations"
MANIFEST_NAME = "manifest.parquet"
FAILED_NAME = "failed.json"
PARTS = "recordings"
SHEETS = "sheets"
STAGING = ".staging"
LOCK_NAME = ".lock"
MASK_SUFFIX = ".png"


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
