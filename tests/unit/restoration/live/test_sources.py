"""Where live frames come from."""

import io
import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.helpers.recordings import moving_frames, write_video

from diffmvr.restoration.live.sources import Camera, Stream, open_live


class FakeDevice:
    """``cv2.VideoCapture`` of a camera that is pulled out after some frames."""

    left = 4

    def __init__(self, number: int, backend: int) -> None:
        self.number, self.open = number, number == 0

    def isOpened(self) -> bool:  # noqa: N802
        return self.open

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        blue = np.zeros((6, 8, 3), np.uint8)
        blue[..., 0] = 255
        return (True, blue) if self.open and self.left >= 0 else (False, None)

    def get(self, what: int) -> float:
        return 29.97

    def release(self) -> None:
        self.open = False


def test_a_camera_gives_frames_until_it_is_pulled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeDevice)

    camera, is_live = open_live("0")
    frames = list(camera)

    assert is_live and isinstance(camera, Camera)
    assert (camera.info.width, camera.info.height) == (8, 6)
    assert camera.info.frame_rate == Fraction(2997, 100)
    assert [frame.index for frame in frames] == [0, 1, 2], "the first look is not a frame"
    assert [frame.pts for frame in frames] == sorted({frame.pts for frame in frames})
    assert frames[0].image[0, 0].tolist() == [0, 0, 255], "RGB"


def test_a_camera_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeDevice)
    with pytest.raises(ValueError, match="input: camera 3 cannot be opened"):
        open_live("3")


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_a_pipe_gives_what_a_file_holds(tmp_path: Path, suffix: str) -> None:
    images = moving_frames(5)
    path = write_video(tmp_path / f"a{suffix}", images, codec="libx264", pix_fmt="yuv444p")
    reading, writing = os.pipe()

    def send() -> None:
        with os.fdopen(writing, "wb") as out:
            out.write(path.read_bytes())

    thread = threading.Thread(target=send)
    thread.start()
    with os.fdopen(reading, "rb") as given:
        stream = Stream(given, "standard input")
        frames = list(stream)
    thread.join()

    assert [frame.index for frame in frames] == list(range(5))
    steps = np.diff([float(frame.pts * stream.info.time_base) for frame in frames])
    assert np.allclose(steps, 0.04, atol=0.001)
    assert stream.info.size == "96x72"
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 3


def test_what_is_no_video_is_told_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^input: standard input gives no video") as e:
        Stream(io.BytesIO(b"no video"), "standard input")
    assert "\n" not in str(e.value)


def test_a_list_of_files_is_not_followed(tmp_path: Path) -> None:
    listed = tmp_path / "list.m3u8"
    listed.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    with listed.open("rb") as given, pytest.raises(ValueError, match="gives no video"):
        Stream(given, "standard input")
