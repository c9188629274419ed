"""What an output says of itself: nothing of its maker's machine, and whether it was changed."""

import getpass
import os
import platform
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.helpers.outputs import make_output, record_of
from tests.helpers.recordings import box_masks, moving_frames, write_pictures
from tests.helpers.tiny import build_tiny

from diffmvr.files import read_json
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.provenance.labels import SOURCE_TYPE
from diffmvr.provenance.verification import verify
from diffmvr.restoration.output import RestorationOutput
from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore

COUNT = 6
SECRETS = {
    "title": "Zorblatt ward",
    "artist": "Zorblatt family",
    "comment": "Zorblatt, second day",
    "make": "Zorblattcam",
    "model": "Zorblattphone 7",
    "location": "+35.6581+139.7017/",
    "creation_time": "2019-07-21T01:02:03.000000Z",
}
TOLD = (b"Zorblatt", b"35.6581", b"139.7017", b"2019-07-21", b"2019:07:21")


def recording(path: Path) -> Path:
    """A video whose container, picture and sound say where, when, of whom and by what."""
    tagged = {"movflags": "use_metadata_tags"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=tagged) as output:
        output.metadata.update(SECRETS)
        film: Any = output.add_stream("libx264", rate=25)
        film.width, film.height, film.pix_fmt = 96, 72, "yuv420p"
        sound: Any = output.add_stream("aac", rate=48000)
        for stream in (film, sound):
            stream.metadata.update(SECRETS | {"handler_name": "Zorblatt's phone"})
        for index, image in enumerate(moving_frames(COUNT)):
            picture = av.VideoFrame.from_ndarray(image, "rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            output.mux(film.encode(picture))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), "fltp", "mono")
        tone.rate, tone.pts = 48000, 0
        output.mux(sound.encode(tone))
        output.mux([*sound.encode(None), *film.encode(None)])
    return path


def pictures(folder: Path) -> Path:
    """Pictures whose EXIF, comments and text say the same."""
    folder.mkdir()
    for index, image in enumerate(moving_frames(COUNT)):
        picture = Image.fromarray(image)
        exif = picture.getexif()
        exif[0x010F], exif[0x0132] = SECRETS["make"], "2019:07:21 01:02:03"
        exif.get_ifd(0x8825)[29] = "2019:07:21"
        if index % 2:
            picture.save(folder / f"{index:05d}.jpg", exif=exif, comment=b"Zorblatt")
        else:
            text = PngImagePlugin.PngInfo()
            for key, value in SECRETS.items():
                text.add_text(key, value, zip=index == 2)
            picture.save(folder / f"{index:05d}.png", exif=exif, pnginfo=text)
    return folder


def unpacked(data: bytes) -> Iterator[bytes]:
    """What a file says in plain and in the packed texts of a PNG."""
    yield data
    for kind in (b"zTXt", b"iTXt", b"iCCP"):
        for part in data.split(kind)[1:]:
            for start in range(min(len(part), 120)):
                try:
                    yield zlib.decompressobj().decompress(part[start:])
                except zlib.error:
                    continue


def tells(folder: Path, told: tuple[bytes, ...]) -> list[tuple[str, bytes]]:
    """Every file of a folder, hidden ones and those in archives too, that says one of these."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        contents = list(unpacked(path.read_bytes()))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        found += [(path.name, one) for one in told if any(one in data for data in contents)]
    return found


def of_this_machine(*folders: Path) -> tuple[bytes, ...]:
    """What tells where a run was made: folders, the machine's name and the user's.

    Short names, such as ``vm``, stand in files by chance: only long ones are looked for.
    """
    names = [name for name in (platform.node(), getpass.getuser()) if len(name) > 5]
    return tuple(str(one).encode() for one in (*folders, Path.home(), Path.cwd(), *names))


@pytest.fixture(scope="module")
def pipeline(frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> DiffMVRPipeline:
    """A real model of random weights."""
    folder = tmp_path_factory.mktemp("model")
    DiffMVRPipeline.from_components(build_tiny(frozen_parts)).save_pretrained(folder)
    loaded = DiffMVRPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_the_inputs_do_tell(tmp_path: Path) -> None:
    recording(tmp_path / "in.mp4")
    pictures(tmp_path / "pictures")

    assert {name for name, _ in tells(tmp_path, TOLD)} == {
        "in.mp4",
        *(f"{k:05d}.{'jpg' if k % 2 else 'png'}" for k in range(COUNT)),
    }


@pytest.mark.parametrize(
    ("source", "file_format"),
    [("in.mp4", "mp4"), ("in.mov", "png"), ("in.mkv", "ffv1"), ("pictures", "png")],
)
def test_an_output_tells_nothing_of_the_recordings_maker_or_this_machine(
    tmp_path: Path,
    pipeline: DiffMVRPipeline,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    file_format: str,
) -> None:
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    make = pictures if source == "pictures" else recording
    given = make(tmp_path / source)
    masks = write_pictures(tmp_path / "masks", 255 * box_masks(COUNT))
    settings = RestoreSettings(
        *(str(given), str(tmp_path / "out"), str(masks)),
        format=file_format,
        concat=True,
        face_box=[18.0, 12.0, 78.0, 60.0],
        mark="hatch",
        past={"select": "recent"},
        self_check=False,
    )

    output = restore(settings, pipeline)

    assert tells(output, TOLD) == []
    assert tells(output, of_this_machine(tmp_path)) == []
    assert [one.state for one in verify(output)] == ["note"], "and it is as it was made"


def test_what_the_recording_tells_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    given = recording(tmp_path / "in.mkv")
    frames = open_frames(given)
    (tmp_path / "out").mkdir()

    with RestorationOutput(tmp_path / "out", frames, "ffv1", keep_metadata=True) as output:
        for frame in frames:
            mask = np.zeros((72, 96), np.uint8)
            record = record_of(frame.index, 0.0, mask)
            output.write(RestoredFrame(frame, frame, mask, record))

    with av.open(str(tmp_path / "out" / "restored.mkv")) as film:
        told = {key.lower(): value for key, value in film.metadata.items()}
    assert told["make"] == SECRETS["make"] and told["title"] == SECRETS["title"]
    assert "Synthetic media" in told["comment"]
    assert any("place, device, date" in note and "make" in note.lower() for note in output.notes)


def test_an_output_names_itself_synthetic(tmp_path: Path) -> None:
    folder = make_output(tmp_path / "out", "png", concat=True)

    with av.open(str(folder / "concat.mp4")) as film:
        assert SOURCE_TYPE in film.metadata["description"]
        assert "Synthetic media" in film.metadata["comment"]
    for name, synthetic in {"frames/00000": False, "frames/00007": True}.items():
        picture = Image.open(folder / f"{name}.png")
        picture.load()
        text = picture.text
        assert ("Synthetic media" in text.get("Comment", "")) is synthetic
        assert (SOURCE_TYPE in text.get("XML:com.adobe.xmp", "")) is synthetic
    assert "Comment" in Image.open(folder / "contact_sheet.png").info


def test_the_commands_make_a_key_and_find_an_edit(tmp_path: Path) -> None:
    """In processes of their own, as a user runs them."""
    pytest.importorskip("cryptography", reason="keys need the extra `sign`")
    from diffmvr.provenance.signing import load_private_key

    def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"diffmvr.{command}", *arguments],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    made = run("keygen", "output=keys")
    assert made.returncode == 0, made.stderr
    folder = make_output(tmp_path / "out", "png", load_private_key(tmp_path / "keys/private.pem"))

    shown = Image.open(folder / "frames" / "00004.png").convert("L")
    shown.save(folder / "frames" / "00004.png")
    report = read_json(folder / "report.json")
    text = (folder / "report.json").read_text().replace('"time": 0.24', '"time": 0.25')
    (folder / "report.json").write_text(text)
    assert report["frames"][6]["time"] == 0.24
    edited = run("verify", "out", "public_key=keys/public.pem")
    assert edited.returncode == 1
    assert edited.stdout.startswith("ok: seal.json: is signed by the key")
    assert edited.stdout.splitlines()[1:] == [
        "changed: report.json: the row of frame 6 was changed",
        "changed: frames/00004.png: frame 4 was changed",
        "2 changes",
    ]
