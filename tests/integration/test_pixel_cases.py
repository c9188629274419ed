"""Recordings that lost something of their pixels: kept in each format, or a note that helps."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import cv2
import numpy as np
import pytest
from PIL import Image

from diffmvr.preprocessing.video_io import open_frames

SHARED = os.environ.get("DIFFMVR_SHARED")
CASES = Path(SHARED or "", "cases")
pytestmark = pytest.mark.skipif(
    not SHARED, reason="the cases are not in the repository: set DIFFMVR_SHARED to their folder"
)
BT2020, PQ = 9, 16
DEINTERLACE = "ffmpeg -i INPUT -vf bwdif -c:v ffv1 -c:a copy NEW.mkv"


def read_raw(path: Path) -> np.ndarray:
    """Read a picture by OpenCV alone: its own channels and depth."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def tags(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.color_primaries, context.color_trc


@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_are_kept_outside_the_hole(tmp_path: Path, restored: Any, grey: bool) -> None:
    source = CASES / "rgb16"
    if grey:
        source = tmp_path / "grey16"
        source.mkdir()
        for file in (CASES / "rgb16").iterdir():
            cv2.imwrite(str(source / file.name), read_raw(file)[..., 1])
    original = read_raw(source / "00001.png")

    pictures = restored(source, "png")
    written = read_raw(pictures.path / "00001.png")
    assert written.dtype == np.uint16 and written.shape == original.shape
    np.testing.assert_array_equal(written[~pictures.hidden], original[~pictures.hidden])
    assert (written[pictures.hidden] != original[pictures.hidden]).mean() > 0.9
    assert "filled in has 8 bits a channel; the rest keeps the input's 16 bits" in pictures.notes
    np.testing.assert_array_equal(
        read_raw(pictures.path / "00000.png"), read_raw(source / "00000.png")
    )

    video = restored(source, "ffv1")
    colours = original[..., ::-1] if original.ndim == 3 else np.stack([original] * 3, axis=-1)
    np.testing.assert_array_equal(video.last().stored.values[~video.hidden], colours[~video.hidden])

    # What the note advises is what was just shown to work.
    assert "16 bits a channel are reduced to 8; format=ffv1 or format=png keeps it" in (
        restored(source, "mp4").notes
    )


def test_a_colour_profile_is_written_into_the_pictures(restored: Any) -> None:
    pictures = restored(CASES / "icc", "png")
    assert "profile" not in pictures.notes
    for name in ("00000.png", "00001.png"):
        with Image.open(CASES / "icc" / name) as before, Image.open(pictures.path / name) as after:
            assert after.info["icc_profile"] == before.info["icc_profile"]
            if name == "00001.png":
                np.testing.assert_array_equal(
                    np.asarray(after)[~pictures.hidden], np.asarray(before)[~pictures.hidden]
                )
    for file_format in ("mp4", "ffv1"):
        notes = restored(CASES / "icc", file_format).notes
        assert "no colour profile" in notes and "; format=png keeps it" in notes


def test_the_colours_of_hdr_are_kept_or_a_note_says_which_format_does(restored: Any) -> None:
    source = CASES / "hdr_pq.mkv"
    original = list(open_frames(source))[-1].stored.values

    video = restored(source, "ffv1")
    assert tags(video.path) == (BT2020, PQ)
    np.testing.assert_array_equal(
        video.last().stored.values[~video.hidden], original[~video.hidden]
    )
    assert open_frames(video.path).info.color[1:] == (BT2020, PQ)

    pictures = restored(source, "png")
    np.testing.assert_array_equal(
        pictures.last().stored.values[~pictures.hidden], original[~pictures.hidden]
    )
    assert "primaries 9 and transfer 16" in pictures.notes
    assert "format=mp4 or format=ffv1 keeps it" in pictures.notes

    small = restored(source, "mp4")
    assert tags(small.path) == (BT2020, PQ)
    assert "10 bits a channel are reduced to 8; format=ffv1 or format=png keeps it" in small.notes


def test_interlaced_video_gets_a_note_whose_remedy_works(tmp_path: Path, restored: Any) -> None:
    notes = restored(CASES / "interlaced.mpg", "mp4").notes
    assert "the input is interlaced" in notes and DEINTERLACE in notes

    assert "interlaced" not in restored(deinterlaced(tmp_path / "new.mkv"), "mp4").notes


def deinterlaced(path: Path) -> Path:
    """Do what the note advises, by the same libraries."""
    with av.open(str(CASES / "interlaced.mpg")) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        graph = av.filter.Graph()
        chain = [graph.add_buffer(template=stream), graph.add("bwdif"), graph.add("buffersink")]
        chain[0].link_to(chain[1])
        chain[1].link_to(chain[2])
        graph.configure()
        output: Any = target.add_stream("ffv1", rate=50)
        output.width, output.height, output.pix_fmt = stream.width, stream.height, "yuv420p"
        output.codec_context.time_base = Fraction(1, 50)
        count = 0
        for frame in [*source.decode(stream), None]:
            graph.push(frame)
            while True:
                try:
                    done: Any = graph.pull()
                except (av.BlockingIOError, av.EOFError):
                    break
                done.pts, done.time_base, count = count, Fraction(1, 50), count + 1
                target.mux(output.encode(done))
        target.mux(output.encode(None))
    return path


def test_a_videos_transparency_is_noted(restored: Any) -> None:
    # The remedy, pictures, is the next test.
    notes = restored(CASES / "transparent.webm", "mp4").notes
    assert "the video's transparency is not read" in notes
    assert "give the frames as PNG pictures and format=png" in notes


def test_transparent_pictures_stay_transparent_outside_the_hole(
    tmp_path: Path, restored: Any
) -> None:
    source = tmp_path / "clear"
    source.mkdir()
    for file in (CASES / "rgb16").iterdir():
        alpha = np.full((160, 160, 1), 40_000, np.uint16)
        cv2.imwrite(str(source / file.name), np.concatenate([read_raw(file), alpha], axis=2))
    original = read_raw(source / "00001.png")

    pictures = restored(source, "png")
    written = read_raw(pictures.path / "00001.png")
    np.testing.assert_array_equal(written[~pictures.hidden], original[~pictures.hidden])
    assert (written[pictures.hidden][:, 3] == 65535).all()
    assert "transparency" not in pictures.notes
    notes = restored(source, "mp4").notes
    assert "H.264 holds no transparency" in notes and "; format=png keeps it" in notes
