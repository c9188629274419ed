"""An output that was edited: what was changed is named, frame by frame."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from tests.helpers.outputs import COUNT, make_output

from diffmvr.files import read_json
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.provenance.labels import SOURCE_TYPE
from diffmvr.provenance.manifest import seal_of
from diffmvr.provenance.pixels import hash_mask
from diffmvr.provenance.verification import Finding, verify

FORMATS = ("ffv1", "mp4", "png")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An output in each format."""
    folder = tmp_path_factory.mktemp("outputs")
    return {
        name: make_output(folder / name, name, concat=name == "mp4", audio=True) for name in FORMATS
    }


@pytest.fixture
def output(outputs: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of them."""
    return lambda name: Path(shutil.copytree(outputs[name], tmp_path / name))


def changes(findings: list[Finding]) -> list[tuple[str, str, int | None]]:
    return [(one.where, one.what, one.frame) for one in findings if one.state == "changed"]


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file."""
    content = read_json(path)
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def remux(source: Path, target: Path) -> Path:
    with av.open(str(source)) as opened, av.open(str(target), "w") as written:
        copies = {s.index: written.add_stream_from_template(s) for s in opened.streams}
        for packet in opened.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                written.mux(packet)
    return target


def write_again(path: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    """Write a lossless film anew with other frames, its sound as it was."""
    source = open_frames(path)
    frames = change(list(source))
    copy = path.with_name("again.mkv")
    with VideoWriter(copy, source.info, "ffv1", path) as writer:
        for frame in frames:
            writer.write(frame)
    copy.replace(path)


@pytest.mark.parametrize("name", FORMATS)
def test_what_nobody_touched_is_as_it_was_made(outputs: dict[str, Path], name: str) -> None:
    findings = verify(outputs[name])

    assert [(one.state, one.where) for one in findings] == [("note", "seal.json")]


def test_the_manifest_says_what_was_synthesised_of_what(outputs: dict[str, Path]) -> None:
    manifest = read_json(outputs["mp4"] / "manifest.json")
    rows = manifest["frames"]

    assert manifest["digital_source_type"] == SOURCE_TYPE
    assert [row["synthesised"] for row in rows] == [False] * 3 + [True] * 5
    assert [row["mask_sha256"] is None for row in rows] == [True] * 3 + [False] * 5
    mask = np.zeros((72, 96), np.uint8)
    mask[24:48, 45:69] = 1
    assert rows[3]["mask_sha256"] == hash_mask(mask)
    assert [one["index"] for one in rows[5]["references"]] == [0, 1]
    assert list(rows[5]["output_sha256"]) == ["concat.mp4", "restored.mp4"]
    assert manifest["weights_sha256"] and manifest["versions"]["diffmvr"]


@pytest.mark.parametrize(("name", "suffix"), [("mp4", ".mkv"), ("mp4", ".mov"), ("ffv1", ".nut")])
def test_a_remux_is_no_change(
    outputs: dict[str, Path], tmp_path: Path, name: str, suffix: str
) -> None:
    film = outputs[name] / {"mp4": "restored.mp4", "ffv1": "restored.mkv"}[name]

    findings = verify(outputs[name], film=remux(film, tmp_path / f"copy{suffix}"))

    assert changes(findings) == []
    assert findings[-1].what == "its container no longer names it synthetic"


def test_a_pixel_of_a_picture(output: Callable[[str], Path]) -> None:
    folder = output("png")
    picture = folder / "frames" / "00005.png"
    values = np.array(Image.open(picture))
    values[40, 50, 1] ^= 1
    Image.fromarray(values).save(picture)

    assert changes(verify(folder)) == [("frames/00005.png", "frame 5 was changed", 5)]


def test_a_picture_that_is_packed_anew_is_the_same(output: Callable[[str], Path]) -> None:
    folder = output("png")
    picture = folder / "frames" / "00005.png"
    before = picture.read_bytes()
    Image.open(picture).save(picture, compress_level=9)

    assert picture.read_bytes() != before
    assert changes(verify(folder)) == []


def test_pictures_that_are_gone_come_or_change_places(output: Callable[[str], Path]) -> None:
    folder = output("png")
    frames = folder / "frames"
    shutil.copy(frames / "00000.png", frames / "00008.png")
    (frames / "00002.png").unlink()
    (frames / "00003.png").rename(frames / "swap")
    (frames / "00004.png").rename(frames / "00003.png")
    (frames / "swap").rename(frames / "00004.png")

    assert changes(verify(folder)) == [
        ("frames/00002.png", "frame 2 was removed", 2),
        ("frames/00003.png", "frame 3 was changed", 3),
        ("frames/00004.png", "frame 4 was changed", 4),
        ("frames/00008.png", "was added", None),
    ]


def test_a_pixel_a_removed_and_a_doubled_frame_of_a_film(output: Callable[[str], Path]) -> None:
    def flip(frames: list[Any]) -> list[Any]:
        frames[6].image[0, 0, 2] ^= 1
        return frames

    folder = output("ffv1")
    write_again(folder / "restored.mkv", flip)
    assert changes(verify(folder)) == [("restored.mkv", "frame 6 was changed", 6)]

    folder = shutil.copytree(folder.parent / "ffv1", folder.parent / "two")
    write_again(folder / "restored.mkv", lambda frames: flip(frames)[:4] + frames[5:])
    assert changes(verify(folder)) == [("restored.mkv", "frame 4 was removed", 4)]


def test_a_film_that_is_encoded_anew_is_another(output: Callable[[str], Path]) -> None:
    folder = output("mp4")
    source = open_frames(folder / "restored.mp4")
    with VideoWriter(folder / "again.mp4", source.info, crf=30) as writer:
        for frame in source:
            writer.write(frame)
    (folder / "again.mp4").replace(folder / "restored.mp4")

    found = changes(verify(folder))

    assert found[:COUNT] == [("restored.mp4", f"frame {k} was changed", k) for k in range(COUNT)]
    assert found[COUNT:] == [("restored.mp4", "its sound was changed", None)]


def test_a_film_that_is_cut_off_is_told(output: Callable[[str], Path]) -> None:
    folder = output("ffv1")
    film = folder / "restored.mkv"
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])

    found = changes(verify(folder))

    assert found and all(where == "restored.mkv" for where, _, _ in found)
    assert ("restored.mkv", f"frame {COUNT - 1} was removed", COUNT - 1) in found


@pytest.mark.parametrize("file", ["manifest.json", "report.json"])
def test_an_edited_row_and_value_are_named(output: Callable[[str], Path], file: str) -> None:
    folder = output("png")

    edit(folder / file, lambda content: content["frames"][4].update(mask_share=0.001))
    assert changes(verify(folder)) == [(file, "the row of frame 4 was changed", 4)]

    edit(folder / file, lambda content: content.update(seed=1, extra=2))
    assert sorted(what for _, what, _ in changes(verify(folder))) == [
        "extra: was added",
        "seed: was edited",
        "the row of frame 4 was changed",
    ]

    edit(folder / file, lambda content: content["frames"].pop(2))
    assert (file, "the row of frame 2 was removed", 2) in changes(verify(folder))


@pytest.mark.parametrize("name", ["contact_sheet.png", "concat.mp4", "report.json"])
def test_a_file_that_is_gone_is_named(output: Callable[[str], Path], name: str) -> None:
    folder = output("mp4")
    (folder / name).unlink()

    ((where, what, _),) = changes(verify(folder))

    assert where == name
    assert "was removed" in what or "cannot be read" in what


def test_whoever_has_no_key_cannot_seal_an_edit(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="keys need the extra `sign`")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from diffmvr.provenance.manifest import sealed_bytes
    from diffmvr.provenance.signing import sign

    key, thief = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    ours = key.public_key().public_bytes_raw()
    folder = make_output(tmp_path / "out", "png", key)
    assert [one.state for one in verify(folder, ours)] == ["ok"]
    assert [one.state for one in verify(folder)] == ["note"]

    def seal_anew(path: Path) -> None:
        edit(path / "manifest.json", lambda content: content["frames"][4].update(mask_share=0.5))
        parts = seal_of(read_json(path / "manifest.json"), read_json(path / "report.json"))
        edit(path / "seal.json", lambda seal: seal.update(parts))

    # The old signature; none; another's.
    seal_anew(folder)
    assert "was changed after it was signed" in changes(verify(folder, ours))[0][1]
    assert "was changed after it was signed" in changes(verify(folder))[0][1]
    edit(folder / "seal.json", lambda seal: seal.pop("signature"))
    assert "is not signed" in changes(verify(folder, ours))[0][1]
    edit(folder / "seal.json", lambda seal: seal.update(signature=sign(thief, sealed_bytes(seal))))
    assert "is signed by another key" in changes(verify(folder, ours))[0][1]


def test_a_manifest_cannot_point_out_of_its_folder(output: Callable[[str], Path]) -> None:
    folder = output("png")
    secret = folder.parent / "secret.txt"
    secret.write_text("x")
    edit(
        folder / "manifest.json",
        lambda content: content["files"].update({"../secret.txt": {"kind": "file"}}),
    )

    assert ("manifest.json", "files: ../secret.txt is none of this output", None) in changes(
        verify(folder)
    )


def test_what_is_no_output_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"input: there is no manifest\.json in"):
        verify(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match=r"input: .*manifest\.json holds no JSON object"):
        verify(tmp_path)
