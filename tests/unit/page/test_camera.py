"""A camera's frames through another process and back."""

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diffmvr.page import camera_run
from diffmvr.page.camera import HandedFrames, HandingBack
from diffmvr.page.camera_run import CameraRun, CameraState
from diffmvr.page.handed import read_frame, write_frame
from diffmvr.page.wording import told_camera
from diffmvr.preprocessing.frame_source import Frame

HEAD_BYTES = 16
# Gives every second frame back, and ends in words at one that is white.
ECHO = f"""
import struct, sys
while head := sys.stdin.buffer.read({HEAD_BYTES}):
    number, height, width = struct.unpack("<qII", head)
    data = sys.stdin.buffer.read(3 * height * width)
    if data[0] == 255:
        sys.exit("error: " + sys.argv[1])
    if number % 2 == 0:
        sys.stdout.buffer.write(head + data)
        sys.stdout.buffer.flush()
"""


def image(value: int, size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def test_frames_come_out_as_they_went_in() -> None:
    stream = io.BytesIO()
    # A view that is not contiguous, as of a mirrored camera.
    original = np.random.default_rng(0).integers(0, 256, (4, 12, 3), np.uint8)[:, ::-2]
    write_frame(stream, 7, original)
    stream.seek(0)
    number, read = read_frame(stream) or (None, None)
    assert number == 7 and np.array_equal(read, original)
    assert read_frame(stream) is None
    assert read_frame(io.BytesIO(stream.getvalue()[:-1])) is None, "a frame that is cut off"


def test_handed_frames_are_a_source_that_ends_where_their_size_changes() -> None:
    stream = io.BytesIO()
    for number, size in ((3, (4, 6)), (9, (4, 6)), (10, (6, 4))):
        write_frame(stream, number, image(number, size))
    stream.seek(0)
    source = HandedFrames(stream)
    assert (source.info.width, source.info.height) == (6, 4)
    frames = list(source)
    assert [one.index for one in frames] == [3, 9] and frames[0].pts < frames[1].pts
    with pytest.raises(ValueError, match="input: no frame came from the camera"):
        HandedFrames(io.BytesIO())


def test_what_is_shown_goes_back_with_its_number() -> None:
    stream = io.BytesIO()
    with HandingBack(stream) as sink:
        assert sink.show(Frame(5, 0, 0, image(1)), image(2))
    stream.seek(0)
    number, shown = read_frame(stream) or (None, None)
    assert number == 5 and np.array_equal(shown, image(1))

    class Gone(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    assert not HandingBack(Gone()).show(Frame(5, 0, 0, image(1)), image(2))


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_run, "COMMAND", (sys.executable, "-c", ECHO))


def wait_until(true: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def test_what_comes_back_is_shown_and_the_rest_counted(echo: None, tmp_path: Path) -> None:
    run = CameraRun(["unused"], tmp_path)
    assert run.running and not run.idle and run.latest is None
    for number in range(5):
        run.hand(image(number))
        if number % 2 == 0:
            wait_until(lambda number=number: run.state.shown == number // 2 + 1)
    state = run.state
    assert (state.shown, state.dropped) == (3, 2)
    assert state.latency is not None and 0 < state.latency < 20 and state.error is None
    assert run.latest is not None and run.latest[0, 0, 0] == 4
    run.close()
    assert not run.running and run.state.error is None, "to be ended is no error"


def test_its_own_words_are_told_without_the_servers_folder(echo: None, tmp_path: Path) -> None:
    run = CameraRun([f"weights: there is no folder {tmp_path}/models"], tmp_path)
    run.hand(image(255))
    wait_until(lambda: run.state.error is not None)
    wait_until(lambda: "weights" in str(run.state.error))
    assert run.state.error == "weights: there is no folder models"
    assert 'role="alert"' in told_camera(None, run.state)
    run.close()


def test_the_picture_and_how_late_it_is_are_told() -> None:
    state = CameraState(3, 1, 0.25, 4.0, 9.0, None)
    page = told_camera(image(9), state)
    assert "Restored, 250 ms late, 4.0 pictures/s, 1 of 4 pictures left out" in page
    assert 'src="data:image/jpeg;base64,' in page and "alt=" in page
    assert "The camera is off" in told_camera(None, None)
    assert "Loading" in told_camera(None, state)
