"""The detectors' training as users run it: a few images, one pass, everything in one folder."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.helpers.commands import start

# Not importorskip: its import would not be confined.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None, reason="the extra 'detect' is not installed"
)

SMALL = ("task.image_size=64", "training.epochs=1", "training.batch_size=4", "init=null")


def run(cwd, *arguments):
    environment = {**os.environ, "HOME": str(cwd), "MPLCONFIGDIR": str(cwd / "mpl")}
    return subprocess.run(
        [sys.executable, "-m", "diffmvr.train_detector", *arguments],
        cwd=cwd,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def annotated(tmp_path):
    """Six pictures of three people with a bright triangle each, in YOLO format."""
    root = tmp_path / "mine"
    for split, people in (("train", "AB"), ("val", "C")):
        for person in people:
            for shot in range(2):
                pixels = np.full((48, 64, 3), 40, np.uint8)
                pixels[10:30, 16:48] = 220
                for kind in ("images", "labels"):
                    (root / kind / split).mkdir(parents=True, exist_ok=True)
                name = f"{person}_{shot}"
                Image.fromarray(pixels).save(root / "images" / split / f"{name}.png")
                polygon = "0 0.25 0.2083 0.75 0.2083 0.75 0.625 0.25 0.625\n"
                (root / "labels" / split / f"{name}.txt").write_text(polygon)
    facts = {"names": ["hand"], "train": "images/train", "val": "images/val"}
    (root / "data.yaml").write_text(yaml.safe_dump(facts))
    return root


def test_a_users_images_train_a_detector_that_loads(tmp_path, annotated):
    before = sorted(annotated.rglob("*"))
    work = tmp_path / "work"
    work.mkdir()
    out = tmp_path / "run"
    settings = ("task=occluder_seg", "data=yolo", f"data.root={annotated}", "rendered.subjects=0")
    run(work, *settings, *SMALL, f"hydra.run.dir={out}")

    folder = out / "detector"
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.yaml",
        "weights.safetensors",
        "README.md",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config == {
        "task": "occluder_seg",
        "image_size": 64,
        "names": ["occluder"],
        "segmentation": True,
    }
    assert "other subjects" in (folder / "README.md").read_text()
    assert len((out / "scores.csv").read_text().splitlines()) == 1 + 2

    from diffmvr.preprocessing.yolo import YoloDetector

    found = YoloDetector(folder, confidence=0.0).detect(np.zeros((48, 64, 3), np.uint8))
    assert found.masks is not None and found.masks.shape[1:] == (48, 64)
    # Nothing beside the run's folder: not in the user's images, not at home, no pickle anywhere.
    assert sorted(annotated.rglob("*")) == before
    assert {path.name for path in work.iterdir()} <= {"mpl"}
    assert not list(out.rglob("*.pt"))


def test_mistakes_end_in_one_line(tmp_path, annotated):
    label = annotated / "labels" / "train" / "A_0.txt"
    label.write_text("0 0.5 0.5 12 0.2\n")
    settings = ("task=face", "data=yolo", f"data.root={annotated}", *SMALL)
    folder = f"hydra.run.dir={tmp_path / 'run'}"
    done = start("diffmvr.train_detector", *settings, folder, cwd=tmp_path)
    done.wait()
    assert done.exit_code == 2
    assert "A_0.txt, line 1: expected shares" in done.said
    assert "Traceback" not in done.said
