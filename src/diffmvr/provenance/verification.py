"""Compare an output with its manifest and its seal, and name what was changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diffmvr.files import read_json
from diffmvr.provenance.labels import is_labelled
from diffmvr.provenance.manifest import (
    FORMAT,
    MANIFEST_FILE,
    PICTURES_FOLDER,
    REPORT_FILE,
    ROWS,
    SEAL_FILE,
    describe_file,
    digest,
    largest_shift,
    parts_of,
    sealed_bytes,
)
from diffmvr.provenance.pixels import hash_frames, hash_sound
from diffmvr.provenance.sequences import differences
from diffmvr.provenance.signing import fingerprint, signed_by

TIME_TOLERANCE = 0.0015
"""Seconds.  Matroska rounds times to a millisecond."""


@dataclass(frozen=True)
class Finding:
    """One thing that verification has to say.

    Attributes:
        state: ``"changed"`` for what is not as it was made, ``"note"`` for what should be known,
            ``"ok"``.
        where: the file, and the frame or part of it.
        what: what is the matter, in words.
        frame: number of the frame, if it is one frame's.
    """

    state: Literal["ok", "note", "changed"]
    where: str
    what: str
    frame: int | None = None


def verify(
    folder: Path, public_key: bytes | None = None, film: Path | None = None
) -> list[Finding]:
    """Check an output of ``diffmvr.restore``.

    Args:
        folder: with ``manifest.json``, ``seal.json`` and the files that they describe.
        public_key: the 32 bytes of the key that must have signed; ``None`` accepts any or none,
            and says which.
        film: a copy of the restored video in another place or container, to be checked instead.

    Returns:
        What was found; all is as it was made if no state is ``"changed"``.

    Raises:
        FileNotFoundError: if there is no manifest or no seal in the folder, or no such film.
        ValueError: if one of them cannot be read, or the manifest describes no video.
    """
    manifest, seal = _read(folder / MANIFEST_FILE), _read(folder / SEAL_FILE)
    findings = [*_check_signature(seal, public_key)]
    findings += _check_parts(MANIFEST_FILE, manifest, seal.get("manifest"))
    try:
        report = _read(folder / REPORT_FILE)
    except (FileNotFoundError, ValueError) as error:
        findings.append(Finding("changed", REPORT_FILE, f"cannot be read: {error}"))
    else:
        findings += _check_parts(REPORT_FILE, report, seal.get("report"))
    described = manifest.get("files")
    if not isinstance(described, Mapping):
        findings.append(Finding("changed", MANIFEST_FILE, "files: are not described"))
        described = {}
    rows = [row for row in manifest.get(ROWS) or () if isinstance(row, Mapping)]
    if film is not None:
        name = _film_of(described)
        return [*findings, *_check_film(film, film.name, name, described[name], rows)]
    for name, facts in described.items():
        findings += _check_file(folder, str(name), facts, rows)
    own = {MANIFEST_FILE, SEAL_FILE, REPORT_FILE, *described}
    for path in sorted(folder.iterdir()):
        if path.name not in own and path.is_file():
            findings.append(Finding("note", path.name, "is not described by the manifest"))
    return findings


def _film_of(described: Mapping[str, Any]) -> str:
    """Return the name of the restored video."""
    for name, facts in described.items():
        if str(name).startswith("restored.") and isinstance(facts, Mapping):
            return str(name)
    raise ValueError(
        f"film: this output holds no restored video, but {', '.join(map(str, described))}; "
        "leave film out"
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"input: there is no {path.name} in {path.parent}; give the output folder of "
            "python -m diffmvr.restore"
        )
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"input: {path} holds no JSON object; it is not what diffmvr wrote")
    return content


def _check_signature(seal: Mapping[str, Any], public_key: bytes | None) -> Iterator[Finding]:
    if seal.get("format") != FORMAT:
        yield Finding("changed", SEAL_FILE, f"format: expected {FORMAT}, got {seal.get('format')}")
    signature = seal.get("signature")
    if signature is None:
        if public_key is not None:
            yield Finding("changed", SEAL_FILE, "is not signed, though a public key is given")
        else:
            yield Finding(
                "note",
                SEAL_FILE,
                "is not signed: accidents show, but whoever edits the output can seal it anew",
            )
        return
    signer = signed_by(signature, sealed_bytes(seal))
    if signer is None:
        yield Finding(
            "changed", SEAL_FILE, "was changed after it was signed: the signature does not fit"
        )
    elif public_key is None:
        yield Finding(
            "note",
            SEAL_FILE,
            f"is signed by the key {fingerprint(signer)}; whose that is shows public_key=FILE",
        )
    elif signer != public_key:
        yield Finding(
            "changed",
            SEAL_FILE,
            f"is signed by another key ({fingerprint(signer)}) than the one that is given "
            f"({fingerprint(public_key)})",
        )
    else:
        yield Finding("ok", SEAL_FILE, f"is signed by the key {fingerprint(signer)}, as given")


def _check_parts(name: str, content: Mapping[str, Any], sealed: Any) -> Iterator[Finding]:
    """Compare the values and rows of a file with their hashes in the seal."""
    if not isinstance(sealed, Mapping):
        yield Finding("changed", SEAL_FILE, f"holds nothing of {name}")
        return
    found = parts_of(content)
    for key in [*sealed, *(key for key in found if key not in sealed)]:
        before, after = sealed.get(key), found.get(key)
        if before == after:
            continue
        if not (isinstance(before, list) and isinstance(after, list)):
            what = "was edited"
            if before is None or after is None:
                what = "was added" if before is None else "was removed"
            yield Finding("changed", name, f"{key}: {what}")
            continue
        for one in differences([str(entry) for entry in before], after):
            row = one.before if one.kind != "added" else one.after
            yield Finding("changed", name, f"the row of frame {row} was {one.kind}", row)


def _check_file(
    folder: Path, name: str, facts: Any, rows: list[Mapping[str, Any]]
) -> Iterator[Finding]:
    path = folder / name
    if folder.resolve() not in path.resolve().parents or not isinstance(facts, Mapping):
        yield Finding("changed", MANIFEST_FILE, f"files: {name} is none of this output")
        return
    if not path.exists():
        yield Finding("changed", name, "was removed")
        return
    kind = facts.get("kind")
    if kind == "film":
        yield from _check_film(path, name, name, facts, rows)
    elif kind == "pictures":
        yield from _check_pictures(path, rows)
    elif path.is_dir() or describe_file(path) != dict(facts):
        yield Finding("changed", name, "was changed")


def _check_film(
    path: Path,
    shown: str,
    name: str,
    facts: Mapping[str, Any],
    rows: list[Mapping[str, Any]],
) -> Iterator[Finding]:
    """Compare a film with its rows.

    Args:
        path: the film.
        shown: what findings call it.
        name: what the manifest calls it.
        facts: of the manifest.
        rows: of the manifest.
    """
    found, broken = _decoded(path)
    if broken:
        yield Finding("changed", shown, f"is damaged after {len(found)} frames: {broken}")
    hashes = [one for _, one in found]
    if "frames_sha256" in facts:
        if digest(hashes) != facts["frames_sha256"]:
            yield Finding("changed", shown, "its frames were changed")
    else:
        yield from _check_frames(shown, [_hash_of(row, name) for row in rows], hashes)
        if len(found) == len(rows) and not broken:
            yield from _check_times(shown, [time for time, _ in found], facts, rows)
    try:
        sound = hash_sound(path)
        labelled = is_labelled(path)
    except ValueError:
        return
    if sound != facts.get("sound_sha256"):
        yield Finding("changed", shown, "its sound was changed")
    if not labelled:
        yield Finding("note", shown, "its container no longer names it synthetic")


def _decoded(path: Path) -> tuple[list[tuple[float, str]], str]:
    """Return times and hashes of a film's frames, and what ended the reading too early."""
    found: list[tuple[float, str]] = []
    try:
        for time, one in hash_frames(path, "film"):
            found.append((float(time), one))
    except FileNotFoundError:
        raise
    except ValueError as error:
        return found, str(error).partition(": ")[2]
    return found, ""


def _check_pictures(folder: Path, rows: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Compare a folder of pictures, named by the frames' numbers, with its rows."""
    names = {f"{row.get('index'):05d}.png": row for row in rows if _is_number(row.get("index"))}
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(names.keys() | there):
        where = f"{PICTURES_FOLDER}/{name}"
        if name not in names:
            yield Finding("changed", where, "was added")
            continue
        row, index = names[name], names[name]["index"]
        if name not in there:
            yield Finding("changed", where, f"frame {index} was removed", index)
            continue
        found, broken = _decoded(folder / name)
        if broken or [one for _, one in found] != [_hash_of(row, PICTURES_FOLDER)]:
            yield Finding("changed", where, f"frame {index} was changed", index)


def _check_frames(shown: str, before: list[str], after: list[str]) -> Iterator[Finding]:
    for one in differences(before, after):
        if one.kind == "added":
            yield Finding(
                "changed", shown, f"a frame was added before frame {one.before}", one.before
            )
        else:
            yield Finding("changed", shown, f"frame {one.before} was {one.kind}", one.before)


def _check_times(
    shown: str, times: list[float], facts: Mapping[str, Any], rows: list[Mapping[str, Any]]
) -> Iterator[Finding]:
    """Say from which frame on a film is shown at other times."""
    said = [row.get("time") for row in rows]
    at_first = facts.get("largest_shift")
    if not all(isinstance(time, int | float) for time in (*said, at_first)):
        return
    allowed = TIME_TOLERANCE + at_first  # type: ignore[operator]
    for k in range(len(said)):
        pair = [0, k]
        shift = largest_shift([times[i] for i in pair], [said[i] for i in pair])  # type: ignore[misc]
        if shift > allowed:
            what = f"from frame {k} on, it is shown {shift:.3f} s off its time"
            yield Finding("changed", shown, what, k)
            return


def _hash_of(row: Mapping[str, Any], name: str) -> str:
    hashes = row.get("output_sha256")
    return str(hashes.get(name)) if isinstance(hashes, Mapping) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
