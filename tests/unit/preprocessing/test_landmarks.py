import os
import pickle
import subprocess
import sys
import threading
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.landmarks import EYE_INDICES, FaceLandmarker
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError, silent_stderr

SHARED = os.environ.get("DIFFMVR_SHARED")


@pytest.fixture
def empty_bundle(tmp_path) -> Path:
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(b"")
    return path


def test_a_bundle_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"bundle: no Face Landmarker bundle at .*absent"):
        FaceLandmarker(tmp_path / "absent.task")


def test_confidence_is_a_share(empty_bundle):
    with pytest.raises(ValueError, match=r"confidence: expected a number in \[0, 1\], got 30"):
        FaceLandmarker(empty_bundle, confidence=30)


def test_without_mediapipe_the_remedy_is_named(monkeypatch, empty_bundle):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    landmarker = FaceLandmarker(empty_bundle)
    with pytest.raises(LandmarkerUnavailableError, match=r"pip install 'diffmvr\[landmarks\]'"):
        landmarker.detect(np.zeros((8, 8, 3), np.uint8))


def test_without_a_system_library_the_remedy_is_named(monkeypatch, empty_bundle):
    def fail(name: str) -> None:
        raise OSError("libEGL.so.1: cannot open shared object file")

    broken = types.ModuleType("mediapipe.tasks.python")
    monkeypatch.setattr(broken, "__getattr__", fail, raising=False)
    for name in ("mediapipe", "mediapipe.tasks"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", broken)
    with pytest.raises(LandmarkerUnavailableError, match=r"libEGL.so.1.*apt-get install libegl1"):
        FaceLandmarker(empty_bundle).detect(np.zeros((8, 8, 3), np.uint8))


def test_a_file_that_is_no_bundle_is_named(empty_bundle):
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    empty_bundle.write_bytes(b"not a bundle")
    with pytest.raises(ValueError, match=r"bundle: .*face_landmarker.task is not a Face Landmark"):
        FaceLandmarker(empty_bundle).detect(np.zeros((8, 8, 3), np.uint8))


def test_pickling_keeps_the_settings(empty_bundle):
    copy = pickle.loads(pickle.dumps(FaceLandmarker(empty_bundle, confidence=0.2)))
    assert (copy.bundle, copy.confidence) == (empty_bundle, 0.2)


def test_wrong_images_are_named(empty_bundle):
    landmarker = FaceLandmarker(empty_bundle)
    with pytest.raises(ValueError, match=r"image: expected shape \(any, any, 3\), got \(8, 8\)"):
        landmarker.detect(np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"mask: expected shape \(8, 8\), got \(4, 4\)"):
        landmarker.detect(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4), np.uint8))


def read_frames(name: str, count: int) -> list[np.ndarray]:
    import av

    assert SHARED is not None
    with av.open(str(Path(SHARED) / "data" / "faces" / f"{name}.mp4")) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="rgb24") for _ in range(count)]


@pytest.fixture
def landmarker():
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    if SHARED is None:
        pytest.skip("DIFFMVR_SHARED is not set: no landmarker bundle and no real faces")
    bundle = find_landmarker_bundle(None)
    if bundle is None:
        pytest.skip(f"no landmarker bundle in DIFFMVR_SHARED={SHARED}")
    made = FaceLandmarker(bundle)
    yield made
    made.close()


def test_two_threads_that_silence_stderr_leave_it_as_it_was():
    before = os.fstat(2)
    begun, ended = threading.Event(), threading.Event()

    def second() -> None:
        begun.set()
        with silent_stderr():
            # It would end last, and put back what it found.
            assert ended.wait(10)

    other = threading.Thread(target=second)
    with silent_stderr():
        other.start()
        assert begun.wait(10)
        other.join(0.1)
    ended.set()
    other.join()
    assert (os.fstat(2).st_dev, os.fstat(2).st_ino) == (before.st_dev, before.st_ino)


def test_a_real_face_is_found_silently_and_in_the_same_place_when_half_hidden(landmarker, capfd):
    frames = read_frames("d12", 3)
    clear = [landmarker.detect(frame) for frame in frames]
    assert capfd.readouterr().err == ""
    assert all(points is not None and points.shape == (478, 2) for points in clear)
    track = track_from_landmarks(clear, frames[0].shape[:2])
    assert track.axis_source == ("landmarks",) * 3
    assert (track.midline[:, 3] > 0.9).all()  # an upright head
    box = track.face_box[2]
    mask = np.zeros(frames[2].shape[:2], np.uint8)
    mask[int(box[1]) : int(box[3]), int((box[0] + box[2]) / 2) : int(box[2])] = 1
    hidden = landmarker.detect(frames[2], mask)
    assert hidden is not None
    left, right = (clear[2][list(eye)].mean(axis=0) for eye in EYE_INDICES)
    eye_distance = np.linalg.norm(left - right)
    assert np.linalg.norm(hidden - clear[2], axis=1).mean() < 0.15 * eye_distance


@pytest.mark.parametrize("name", ["s18", "s29"])
def test_a_face_in_a_wide_or_tall_frame_is_found(landmarker, name):
    assert all(landmarker.detect(frame) is not None for frame in read_frames(name, 2))


def test_a_small_face_in_a_large_frame_is_found_in_tiles_and_followed(landmarker):
    side = 110
    for step, frame in enumerate(read_frames("d12", 4)):
        x, y = 900 + 4 * step, 400
        canvas = np.full((720, 1280, 3), 90, np.uint8)
        canvas[y : y + side, x : x + side] = cv2.resize(
            frame, (side, side), interpolation=cv2.INTER_AREA
        )
        points = landmarker.detect(canvas)
        assert points is not None
        assert (points.min(axis=0) > [x, y]).all()
        assert (points.max(axis=0) < [x + side, y + side]).all()
    # Another size is another video: it starts afresh instead of failing.
    assert landmarker.detect(np.full((90, 120, 3), 90, np.uint8)) is None


def test_of_two_faces_the_one_that_is_pointed_at_is_found_and_followed(landmarker):
    large = read_frames("d12", 2)
    small = [cv2.resize(one, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA) for one in large]
    height, width = large[0].shape[:2]
    start = width + 40
    pictures = []
    for one, other in zip(large, small, strict=True):
        canvas = np.full((height, start + other.shape[1] + 40, 3), 90, np.uint8)
        canvas[:, :width] = one
        canvas[60 : 60 + other.shape[0], start : start + other.shape[1]] = other
        pictures.append(canvas)
    assert len(landmarker.find_several(pictures[0])) == 2
    middle = np.array([start + small[0].shape[1] / 2, 60 + small[0].shape[0] / 2])
    for at, low, high in ((middle, start, pictures[0].shape[1]), (middle * [0.2, 1], 0, width)):
        chosen = FaceLandmarker(landmarker.bundle, at=at)
        for picture in pictures:
            points = chosen.detect(picture)
            assert points is not None and low < points[:, 0].min() <= points[:, 0].max() < high
        chosen.close()


def test_a_used_landmarker_refuses_to_work_in_a_fork(landmarker, monkeypatch):
    landmarker.detect(np.full((90, 120, 3), 90, np.uint8))
    here = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: here + 1)
    with pytest.raises(RuntimeError, match=f"used in process {here} before this one was forked"):
        landmarker.detect(np.full((90, 120, 3), 90, np.uint8))


@pytest.mark.skipif(SHARED is None, reason="set DIFFMVR_SHARED to a folder with the bundle")
def test_handlers_that_are_put_back_do_not_end_the_process():
    """As Lightning's trainer does at its end; MediaPipe's profiler would then be deadly."""
    pytest.importorskip("mediapipe")
    code = (
        "import signal, numpy as np\n"
        "from diffmvr.landmarker_bundle import find_landmarker_bundle\n"
        "from diffmvr.preprocessing.landmarks import FaceLandmarker\n"
        "image = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)\n"
        "for _ in range(3):\n"
        "    landmarker = FaceLandmarker(find_landmarker_bundle(None))\n"
        "    for _ in range(10):\n"
        "        landmarker.detect(image)\n"
        "    landmarker.close()\n"
        "    signal.signal(signal.SIGPROF, signal.getsignal(signal.SIGPROF))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == 0
