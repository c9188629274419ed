"""``manifest.json``: what was synthesised in an output, frame by frame, from what and with what.

``seal.json`` beside it holds a hash of each of its parts and rows, and of those of ``report.json``,
so that an edit is named by the row it is in; with a key of the user's the seal is signed.
Without one it shows accidents only: whoever edits the output can write the seal anew.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffmvr.files import hash_files, read_json, write_json, write_rows
from diffmvr.provenance.labels import SOURCE_TYPE, STATEMENT
from diffmvr.provenance.pixels import hash_frames, hash_picture, hash_sound
from diffmvr.provenance.signing import sign

MANIFEST_FILE, SEAL_FILE, REPORT_FILE = "manifest.json", "seal.json", "report.json"
FORMAT = "diffmvr-manifest/1"
ROWS = "frames"
"""The key of both files whose value is a list with a row a frame."""

PICTURES_FOLDER = "frames"
VIDEOS = (".mp4", ".mkv", ".mov")
SOUNDS = (".mka", ".m4a")

OF_THE_REPORT = (
    *("input", "mask", "model", "weights_sha256", "guide_kinds", "guide_scales", "own_guides"),
    *("steps", "seed", "settings", "versions"),
)
"""What the manifest says as the report does: it stands for itself where the report is lost."""

OF_A_ROW = ("index", "time", "mask_share", "past_index", "references")


def write_manifest(
    folder: Path, masks: Sequence[str | None], mark: str = "none", key: Any | None = None
) -> None:
    """Write an output's manifest and seal: the last files of a restoration.

    Args:
        folder: with ``report.json`` and everything else that was written.
        masks: hash of the mask of each frame; ``None`` where nothing was hidden.
        mark: the visible mark that was drawn; see ``diffmvr.provenance.mark``.
        key: the user's private key; ``None`` signs nothing.
    """
    report = read_json(folder / REPORT_FILE)
    rows = report[ROWS]
    files, frames = describe_files(folder, [row["time"] for row in rows])
    head = {
        "format": FORMAT,
        "statement": STATEMENT,
        "digital_source_type": SOURCE_TYPE,
        "mark": mark,
        **{name: report[name] for name in OF_THE_REPORT},
        "files": files,
    }
    written = [
        {
            **{name: row[name] for name in OF_A_ROW},
            "synthesised": mask is not None,
            "mask_sha256": mask,
            "output_sha256": {name: hashes[k] for name, hashes in frames.items()},
        }
        for k, (row, mask) in enumerate(zip(rows, masks, strict=True))
    ]
    write_rows(folder / MANIFEST_FILE, head, ROWS, written)
    seal: dict[str, Any] = seal_of(head | {ROWS: written}, report)
    if key is not None:
        seal["signature"] = sign(key, sealed_bytes(seal))
    write_json(folder / SEAL_FILE, seal)


def describe_files(
    folder: Path, times: Sequence[float]
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Hash what decoders make of the files of an output.

    Args:
        folder: the output.
        times: of the recording's frames, in seconds.

    Returns:
        Of every file what it is and its hash; and frame by frame the hashes of the films and of
        the folder of pictures that show one frame for each of the recording.
    """
    files: dict[str, dict[str, Any]] = {}
    frames: dict[str, list[str]] = {}
    own = (MANIFEST_FILE, SEAL_FILE, REPORT_FILE)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in own or name.startswith((".", f"{PICTURES_FOLDER}/")):
            continue
        if name == PICTURES_FOLDER:
            frames[name] = [hash_picture(one) for one in sorted(path.iterdir())]
            files[name] = {"kind": "pictures"}
        elif path.suffix in VIDEOS:
            found = list(hash_frames(path))
            hashes = [one for _, one in found]
            files[name] = {"kind": "film", "sound_sha256": hash_sound(path)}
            if len(hashes) == len(times):
                frames[name] = hashes
                shift = largest_shift([float(time) for time, _ in found], times)
                files[name]["largest_shift"] = round(shift, 6)
            else:
                files[name]["frames_sha256"] = digest(hashes)
        elif path.is_file():
            files[name] = describe_file(path)
    return files, frames


def describe_file(path: Path) -> dict[str, str]:
    """Return what a file that is no film is, and its hash."""
    if path.suffix in SOUNDS:
        return {"kind": "sound", "sound_sha256": hash_sound(path)}
    if path.suffix == ".png":
        return {"kind": "picture", "pixels_sha256": hash_picture(path)}
    return {"kind": "file", "bytes_sha256": hash_files(path)}


def largest_shift(shown: Sequence[float], wanted: Sequence[float]) -> float:
    """Return by how many seconds a frame is moved at most, counted from the first one.

    A container may move them all.
    """
    pairs = zip(shown, wanted, strict=True)
    return max((abs((a - shown[0]) - (b - wanted[0])) for a, b in pairs), default=0.0)


def seal_of(manifest: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hashes of every part and row of a manifest and a report."""
    return {"format": FORMAT, "manifest": parts_of(manifest), "report": parts_of(report)}


def parts_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hash of every value by its key, and of every row."""
    parts: dict[str, Any] = defaultdict(str)
    for key, value in content.items():
        if key == ROWS and isinstance(value, list):
            parts[key] = [digest(row) for row in value]
        else:
            parts[key] = digest(value)
    return dict(parts)


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, however its file is laid out."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """Return a JSON value as bytes: keys sorted, no space, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def sealed_bytes(seal: Mapping[str, Any]) -> bytes:
    """Return what is signed: the seal without its signature."""
    return canonical({key: value for key, value in seal.items() if key != "signature"})
