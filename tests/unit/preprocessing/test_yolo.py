import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from diffmvr.config import weights_dir
from diffmvr.data.synthetic import render_clip
from diffmvr.preprocessing.yolo import YoloDetector, letterbox
from diffmvr.preprocessing.yolo_files import DetectorConfig, read_detector

SHIPPED = weights_dir() / "detectors"
TASKS = ("face", "occluder", "occluder_seg")


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


# Not importorskip: its import would not be confined.
needs_ultralytics = pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None, reason="the extra 'detect' is not installed"
)


@pytest.fixture(scope="module")
def detectors():
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("the extra 'detect' is not installed")
    return {task: YoloDetector(SHIPPED / task) for task in TASKS}


@pytest.fixture(scope="module")
def clips():
    # Renderer seed 5: neither training nor scoring saw these people.
    return [render_clip(5, subject, 0, size=192, num_frames=8) for subject in range(6)]


@pytest.fixture
def clip(clips):
    return clips[0]


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (33, 1000), (64, 64), (7, 9)])
def test_letterbox_there_and_back(size):
    box = letterbox(*size, 160)
    assert max(box.inner_height, box.inner_width) == 160
    assert box.rows % 32 == box.columns % 32 == 0
    assert box.top >= 0 and box.top + box.inner_height <= box.rows
    inner = torch.tensor([[box.left, box.top, box.left + box.inner_width, 0.0]])
    inner[0, 3] = box.top + box.inner_height
    np.testing.assert_allclose(box.to_image(inner)[0], [0, 0, size[1], size[0]], atol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "nose"}, r"task: expected one of .*got 'nose'"),
        ({"image_size": 100}, r"image_size: expected a multiple of 32, got 100; take 96"),
        ({"names": ()}, r"names: expected at least one class"),
    ],
)
def test_config_is_checked(values, message):
    good = {"task": "face", "image_size": 160, "names": ("face",), "segmentation": False}
    with pytest.raises(ValueError, match=message):
        DetectorConfig(**{**good, **values})


def test_a_checkpoint_is_read_only_if_trusted(tmp_path):
    path = tmp_path / "best.pt"
    path.write_bytes(b"would run code")
    with pytest.raises(ValueError, match=r"trusted: expected true for .*best\.pt, got false"):
        YoloDetector(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json, model\.yaml"):
        YoloDetector(tmp_path)


@pytest.mark.parametrize("task", TASKS)
def test_shipped_detectors_are_small_and_described(task):
    folder = SHIPPED / task
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2_000_000
    assert not list(folder.glob("*.pt"))
    config = json.loads((folder / "config.json").read_text())
    assert config["task"] == task and config["segmentation"] == (task == "occluder_seg")
    assert "AGPL-3.0" in (folder / "README.md").read_text()


def test_a_trusted_checkpoint_finds_what_its_folder_finds(detectors, clip, tmp_path):
    network, config = read_detector(SHIPPED / "occluder_seg")
    network.names = dict(enumerate(config.names))
    saved = {"model": network.half(), "train_args": {"imgsz": config.image_size}}
    torch.save(saved, tmp_path / "best.pt")
    checkpoint = YoloDetector(tmp_path / "best.pt", trusted=True)
    assert checkpoint.config == config
    image = clip.observed[int(clip.mask.mean(axis=(1, 2)).argmax())]
    found, expected = checkpoint.detect(image), detectors["occluder_seg"].detect(image)
    assert len(found.boxes) > 0
    np.testing.assert_array_equal(found.masks, expected.masks)


@needs_ultralytics
def test_wrong_weights_and_config_are_named(tmp_path):
    folder = shutil.copytree(SHIPPED / "face", tmp_path / "face")
    shutil.copy(SHIPPED / "occluder_seg" / "weights.safetensors", folder)
    with pytest.raises(ValueError, match=r"weights\.safetensors does not fit .*model\.yaml"):
        YoloDetector(folder)
    (folder / "config.json").write_text('{"task": "face"}')
    with pytest.raises(ValueError, match=r"config\.json is not a detector's .*image_size"):
        YoloDetector(folder)


def test_faces_are_found_whether_hidden_or_not(detectors, clips):
    overlaps = []
    for clip in clips:
        for t in (0, 4, 7):
            found = detectors["face"].detect(clip.observed[t])
            assert found.masks is None
            overlaps.append(iou(found.boxes[0], clip.track.face_box[t]))
    assert min(overlaps) > 0.5 and np.median(overlaps) > 0.7


def test_occluders_are_found_where_they_are(detectors, clips):
    """In all but one of six people's most hidden frames; the model cards say how good they are."""
    by_outline, by_box = [], []
    for clip in clips:
        t = int(clip.mask.mean(axis=(1, 2)).argmax())
        found = detectors["occluder_seg"].detect(clip.observed[t])
        assert found.masks.shape == (len(found.boxes), 192, 192)
        region, truth = found.masks.max(axis=0, initial=0) != 0, clip.mask[t] != 0
        by_outline.append(np.count_nonzero(region & truth) / np.count_nonzero(region | truth))
        rows, columns = np.nonzero(clip.box_mask[t])
        box = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        boxes = detectors["occluder"].detect(clip.observed[t]).boxes
        by_box.append(max((iou(one, box) for one in boxes), default=0.0))
    assert np.count_nonzero(np.array(by_outline) > 0.8) >= 5
    assert np.count_nonzero(np.array(by_box) > 0.7) >= 5


def test_boxes_follow_the_image_when_it_is_enlarged_or_padded(detectors, clip):
    image = clip.observed[0]
    box = detectors["face"].detect(image).boxes[0]
    double = detectors["face"].detect(image.repeat(2, axis=0).repeat(2, axis=1)).boxes[0]
    # Pixel centres: 0 goes to 0.5.
    np.testing.assert_allclose(double, 2 * box + 0.5, atol=4)
    wide = np.full((192, 300, 3), 114, np.uint8)
    wide[:, 60:252] = image
    assert iou(detectors["face"].detect(wide).boxes[0] - [60, 0, 60, 0], box) > 0.5


def test_there_may_be_nothing_to_find(detectors, clips):
    found = detectors["face"].detect(np.full((120, 200, 3), 128, np.uint8))
    assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)
    for task in ("occluder", "occluder_seg"):
        bare = [detectors[task].detect(clip.frames[0]) for clip in clips]
        assert sum(len(found.boxes) > 0 for found in bare) <= 1


def test_detecting_twice_gives_the_same(detectors, clip):
    first, second = (detectors["occluder_seg"].detect(clip.observed[7]) for _ in range(2))
    np.testing.assert_array_equal(first.boxes, second.boxes)
    np.testing.assert_array_equal(first.masks, second.masks)


def test_wrong_image_shape_is_named(detectors):
    with pytest.raises(ValueError, match=r"image: expected shape \(any, any, 3\), got \(5, 5\)"):
        detectors["face"].detect(np.zeros((5, 5), np.uint8))


@needs_ultralytics
def test_import_is_confined(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import os, torch; from PIL import Image; save, look = torch.save, Image.open\n"
        "from pathlib import Path\n"
        "from diffmvr.preprocessing.yolo_runtime import import_ultralytics\n"
        f"import_ultralytics(Path({str(tmp_path / 'run')!r}))\n"
        "from ultralytics.utils import ONLINE, SETTINGS, USER_CONFIG_DIR\n"
        "assert not ONLINE and not SETTINGS['sync'] and not SETTINGS['wandb']\n"
        f"assert str(USER_CONFIG_DIR).startswith({str(tmp_path / 'run')!r})\n"
        "assert torch.save is save and Image.open is look and 'YOLO_OFFLINE' not in os.environ\n"
    )
    environment = {**os.environ, "HOME": str(home), "MPLCONFIGDIR": str(tmp_path / "mpl")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=home)
    assert list(home.iterdir()) == []


def test_importing_it_first_is_reported(caplog, monkeypatch):
    from diffmvr.preprocessing.yolo_runtime import import_ultralytics

    monkeypatch.setitem(sys.modules, "ultralytics", type(sys)("ultralytics"))
    with caplog.at_level(logging.WARNING):
        import_ultralytics()
    assert "YOLO_OFFLINE=1" in caplog.text
