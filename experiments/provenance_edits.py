"""Edit signed outputs at random: is every edit found, and is what was edited named?

    python experiments/provenance_edits.py --input VIDEO --output FOLDER [--edits 200] [--seed 0]

The first ``--frames`` frames of a recording are restored by the model that ships, as PNG, FFV1 and
H.264, and signed.  Each edit is made in a fresh copy, of a kind and at a place drawn from the seed,
and ``diffmvr.verify`` is asked with the public key.  *Found*: anything is called changed.  *Named*:
that is said of the edited frame, row or file.  ``edits.csv`` has a row a kind.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from diffmvr.config import weights_dir
from diffmvr.files import read_json, write_json
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.provenance.manifest import seal_of, sealed_bytes
from diffmvr.provenance.signing import load_private_key, load_public_key, make_keys, sign
from diffmvr.provenance.verification import Finding, verify
from diffmvr.restoration.opening import DEFAULT_MODEL
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore
from diffmvr.text import csv_text

FORMATS = ("png", "ffv1", "mp4")
Edit = tuple[str, int | None]
"""Where the edit is: a part of a finding's ``where`` or ``what``, and the frame, if it is one's."""


def made(options: argparse.Namespace, folder: Path, key: Path) -> dict[str, Path]:
    """Restore the recording in every format, signed."""
    source = open_frames(options.input)
    frames = [frame for frame, _ in zip(source, range(options.frames), strict=False)]
    height, width = frames[0].image.shape[:2]
    (folder / "masks").mkdir()
    with VideoWriter(folder / "in.mkv", source.info, "ffv1", options.input) as writer:
        for frame in frames:
            mask = np.zeros((height, width), np.uint8)
            if frame.index >= options.frames // 3:
                mask[height // 2 : 2 * height // 3, width // 3 : width // 2] = 255
            Image.fromarray(mask).save(folder / "masks" / f"{frame.index:05d}.png")
            writer.write(frame)
    pipeline = DiffMVRPipeline.from_pretrained(weights_dir() / DEFAULT_MODEL)
    pipeline.set_progress_bar_config(disable=True)
    box = [width / 4, height / 4, 3 * width / 4, 3 * height / 4]
    return {
        name: restore(
            RestoreSettings(
                *(str(folder / "in.mkv"), str(folder / name), str(folder / "masks")),
                format=name,
                face_box=box,
                past={"select": "recent"},
                concat=name == "mp4",
                sign=str(key),
            ),
            pipeline,
        )
        for name in FORMATS
    }


def film_of(folder: Path) -> Path:
    """The restored film of an output."""
    return next(folder.glob("restored.*"))


def write_again(folder: Path, frames: list[Frame], sound: bool = True) -> None:
    """Write a lossless film anew."""
    film, copy = film_of(folder), folder / "again.mkv"
    info = open_frames(film).info
    with VideoWriter(copy, info, "ffv1", film if sound and info.audio else None) as writer:
        for frame in frames:
            writer.write(frame)
    copy.replace(film)


def pixel_of_a_picture(folder: Path, rng: np.random.Generator) -> Edit:
    """Flip the last bit of a value."""
    path = rng.choice(sorted((folder / "frames").iterdir()))
    values = np.array(Image.open(path))
    values[tuple(rng.integers(0, side) for side in values.shape)] ^= 1
    Image.fromarray(values).save(path)
    return path.name, int(path.stem)


def picture_removed(folder: Path, rng: np.random.Generator) -> Edit:
    """Remove a picture."""
    path = rng.choice(sorted((folder / "frames").iterdir()))
    path.unlink()
    return path.name, int(path.stem)


def picture_of_another_frame(folder: Path, rng: np.random.Generator) -> Edit:
    """Put another frame's picture in the place of one."""
    path, other = rng.choice(sorted((folder / "frames").iterdir()), 2, replace=False)
    shutil.copy(other, path)
    return path.name, int(path.stem)


def pixel_of_a_film(folder: Path, rng: np.random.Generator) -> Edit:
    """Flip the last bit of a value of a lossless film."""
    frames = list(open_frames(film_of(folder)))
    k = int(rng.integers(len(frames)))
    image = frames[k].image
    image[tuple(rng.integers(0, side) for side in image.shape)] ^= 1
    write_again(folder, frames)
    return "restored", k


def frame_removed(folder: Path, rng: np.random.Generator) -> Edit:
    """Remove a frame of a lossless film."""
    frames = list(open_frames(film_of(folder)))
    k = int(rng.integers(len(frames)))
    write_again(folder, frames[:k] + frames[k + 1 :])
    return "restored", k


def frame_doubled(folder: Path, rng: np.random.Generator) -> Edit:
    """Show a frame in the place of the next one."""
    frames = list(open_frames(film_of(folder)))
    k = int(rng.integers(1, len(frames)))
    before = frames[k - 1]
    frames[k] = Frame(k, frames[k].pts, frames[k].duration, before.image)
    write_again(folder, frames)
    return "restored", k


def sound_removed(folder: Path, rng: np.random.Generator) -> Edit:
    """Leave the sound out."""
    write_again(folder, list(open_frames(film_of(folder))), sound=False)
    return "its sound", None


def packet_bit(folder: Path, rng: np.random.Generator) -> Edit:
    """Flip a bit in a packet of a film's pictures, but for the first, which holds settings too."""
    film = film_of(folder)
    with av.open(str(film)) as opened:
        packets = [bytes(p) for p in opened.demux(opened.streams.video[0]) if p.size]
    data, packet = bytearray(film.read_bytes()), rng.choice(np.array(packets[1:], dtype=object))
    place = data.find(packet)
    # Behind the length and the head of the first slice.
    data[place + int(rng.integers(min(12, len(packet) - 1), len(packet)))] ^= 1 << int(
        rng.integers(8)
    )
    film.write_bytes(bytes(data))
    return "restored", None


def encoded_anew(folder: Path, rng: np.random.Generator) -> Edit:
    """Encode a film once more."""
    film, copy = film_of(folder), folder / "again.mp4"
    source = open_frames(film)
    with VideoWriter(copy, source.info, "h264", film, crf=int(rng.integers(0, 40))) as writer:
        for frame in source:
            writer.write(frame)
    copy.replace(film)
    return "restored", None


def sheet_edited(folder: Path, rng: np.random.Generator) -> Edit:
    """Flip the last bit of a value of the contact sheet."""
    path = folder / "contact_sheet.png"
    values = np.array(Image.open(path))
    values[tuple(rng.integers(0, side) for side in values.shape)] ^= 1
    Image.fromarray(values).save(path)
    return path.name, None


def _changed(value: Any, rng: np.random.Generator) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str) and value:
        k = int(rng.integers(len(value)))
        return value[:k] + ("0" if value[k] != "0" else "1") + value[k + 1 :]
    return "edited"


def _edit_json(path: Path, edit: Callable[[Any], Edit]) -> Edit:
    content = read_json(path)
    place = edit(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return place


def row_edited(folder: Path, rng: np.random.Generator) -> Edit:
    """Change a value of a row of the manifest or of the report."""
    name = str(rng.choice(["manifest.json", "report.json"]))

    def edit(content: Any) -> Edit:
        k = int(rng.integers(len(content["frames"])))
        row = content["frames"][k]
        key = str(rng.choice(sorted(row)))
        row[key] = _changed(row[key], rng)
        return name, k

    return _edit_json(folder / name, edit)


def row_removed(folder: Path, rng: np.random.Generator) -> Edit:
    """Remove a row of the manifest or of the report."""
    name = str(rng.choice(["manifest.json", "report.json"]))

    def edit(content: Any) -> Edit:
        k = int(rng.integers(len(content["frames"])))
        del content["frames"][k]
        return name, k

    return _edit_json(folder / name, edit)


def value_edited(folder: Path, rng: np.random.Generator) -> Edit:
    """Change or remove a value of the manifest's head or the report's."""
    name = str(rng.choice(["manifest.json", "report.json"]))

    def edit(content: Any) -> Edit:
        key = str(rng.choice(sorted(content.keys() - {"frames"})))
        if rng.random() < 0.5:
            content[key] = _changed(content[key], rng)
        else:
            del content[key]
        return f"{key}:", None

    return _edit_json(folder / name, edit)


def seal_edited(folder: Path, rng: np.random.Generator) -> Edit:
    """Change a hash in the seal, or take the signature off."""

    def edit(seal: Any) -> Edit:
        if rng.random() < 0.3:
            del seal["signature"]
        else:
            hashes = seal[str(rng.choice(["manifest", "report"]))]["frames"]
            k = int(rng.integers(len(hashes)))
            hashes[k] = _changed(hashes[k], rng)
        return "seal.json", None

    return _edit_json(folder / "seal.json", edit)


def sealed_by_another(folder: Path, rng: np.random.Generator) -> Edit:
    """Edit a row of both files, and seal that with another key."""
    for name in ("manifest.json", "report.json"):

        def edit(content: Any) -> Edit:
            content["frames"][0]["mask_share"] = float(rng.random())
            return "", None

        _edit_json(folder / name, edit)
    with tempfile.TemporaryDirectory() as place:
        key = load_private_key(make_keys(Path(place) / "keys")[0])
    seal = seal_of(read_json(folder / "manifest.json"), read_json(folder / "report.json"))
    write_json(folder / "seal.json", {**seal, "signature": sign(key, sealed_bytes(seal))})
    return "seal.json", None


EDITS: dict[str, tuple[str, Callable[[Path, np.random.Generator], Edit]]] = {
    "a pixel of a PNG": ("png", pixel_of_a_picture),
    "a PNG removed": ("png", picture_removed),
    "another frame's PNG": ("png", picture_of_another_frame),
    "a pixel of an FFV1 film": ("ffv1", pixel_of_a_film),
    "a frame of an FFV1 film removed": ("ffv1", frame_removed),
    "a frame shown twice": ("ffv1", frame_doubled),
    "the sound left out": ("ffv1", sound_removed),
    "a bit of an H.264 packet": ("mp4", packet_bit),
    "an H.264 film encoded anew": ("mp4", encoded_anew),
    "a pixel of the contact sheet": ("mp4", sheet_edited),
    "a value of a row": ("png", row_edited),
    "a row removed": ("png", row_removed),
    "a value of the head": ("png", value_edited),
    "the seal": ("png", seal_edited),
    "rows, sealed by another key": ("png", sealed_by_another),
}


def names(findings: list[Finding], edit: Edit) -> bool:
    """Whether a change is said to be where it was made."""
    where, frame = edit
    return any(
        one.state == "changed"
        and (where in one.where or where in one.what)
        and frame in (None, one.frame)
        for one in findings
    )


def run(options: argparse.Namespace) -> None:
    """Make the outputs, edit copies of them, and count."""
    rng = np.random.default_rng(options.seed)
    tried, found, named = Counter[str](), Counter[str](), Counter[str]()
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        private, public = make_keys(work / "keys")
        key = load_public_key(public).public_bytes_raw()
        outputs = made(options, work, private)
        for name, output in outputs.items():
            states = {one.state for one in verify(output, key)}
            if states != {"ok"}:
                raise SystemExit(f"{name}: an output that nobody edited is called {states}")
        for number in range(options.edits):
            # Every kind equally often, in turn.
            kind = list(EDITS)[number % len(EDITS)]
            file_format, edit = EDITS[kind]
            copy = Path(shutil.copytree(outputs[file_format], work / "copy"))
            edited = edit(copy, rng)
            findings = verify(copy, key)
            shutil.rmtree(copy)
            tried[kind] += 1
            found[kind] += any(one.state == "changed" for one in findings)
            named[kind] += names(findings, edited)
            if not names(findings, edited):
                missed.append(f"{kind}: {edited}: {[one.what for one in findings][:3]}")
    options.output.mkdir(parents=True, exist_ok=True)
    rows = [(kind, tried[kind], found[kind], named[kind]) for kind in EDITS]
    rows.append(("all", tried.total(), found.total(), named.total()))
    table = csv_text([("edit", "tried", "found", "named"), *rows])
    (options.output / "edits.csv").write_text(table, encoding="utf-8")
    facts = {"recording": options.input.name, "frames": options.frames, "seed": options.seed}
    write_json(options.output / "edits.json", {**facts, "not named": missed})
    print(table)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
