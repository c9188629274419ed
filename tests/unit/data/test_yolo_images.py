import numpy as np
import pytest
import yaml
from tests.helpers.annotated_images import write_black_image

from diffmvr.data.yolo_images import YoloImages


@pytest.fixture
def yolo(tmp_path):
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"names": ["hand", "toy"]}))
    write_black_image(tmp_path / "images" / "S01_rest.png")
    write_black_image(tmp_path / "images" / "S02_pain.jpg")
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "S01_rest.txt").write_text("0 0.5 0.5 0.5 0.4\n1 0.1 0.1 0.4 0.1 0.4 0.8\n")
    return tmp_path


def test_yolo_boxes_and_polygons_in_pixels(yolo):
    first, second = YoloImages(yolo, "occluder")
    assert (first.subject, second.subject) == ("S01", "S02")
    assert second.objects == () and first.split is None
    np.testing.assert_allclose(first.objects[0].box, [9.5, 5.5, 29.5, 13.5])
    np.testing.assert_allclose(first.objects[1].box, [3.5, 1.5, 15.5, 15.5])
    assert first.objects[1].outline.shape == (3, 2)


def test_yolo_keeps_the_named_classes(yolo):
    first, _ = YoloImages(yolo, "occluder_seg", classes=["toy"])
    assert len(first.objects) == 1


def test_yolo_own_splits(yolo):
    for name, split in (("S01_rest.png", "train"), ("S02_pain.jpg", "val")):
        target = yolo / "images" / split / name
        target.parent.mkdir()
        (yolo / "images" / name).rename(target)
    facts = {"names": {0: "hand"}, "train": "images/train", "val": "../images/val"}
    (yolo / "data.yaml").write_text(yaml.safe_dump(facts))
    assert [one.split for one in YoloImages(yolo, "face")] == ["train", "val"]


def test_yolo_subject_by_the_users_own_pattern(yolo):
    images = YoloImages(yolo, "face", subject="S(?P<subject>[0-9]+)")
    assert [one.subject for one in images] == ["01", "02"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.5", r"S01_rest\.txt, line 1: expected 5 numbers .* got 4 numbers"),
        ("0 0.5 0.5 12 0.4", r"line 1: expected shares .* got \[0\.4, 12\]"),
        ("5 0.5 0.5 0.5 0.4", r"line 1: class 5 is not among those"),
        ("0 a b c d", r"line 1: expected numbers, got '0 a b c d'"),
        ("0 0.5 0.5 0 0.4", r"line 1: expected a box with width and height, got 0 × 8"),
        ("0 nan 0.5 0.5 0.4", r"line 1: expected shares .* got \[nan, nan\]"),
    ],
)
def test_yolo_wrong_label_is_named(yolo, line, message):
    (yolo / "labels" / "S01_rest.txt").write_text(line + "\n")
    with pytest.raises(ValueError, match=message):
        YoloImages(yolo, "occluder")


def test_yolo_outlines_are_needed_for_segmentation(yolo):
    with pytest.raises(ValueError, match=r"line 1: task occluder_seg needs a polygon, got a box"):
        YoloImages(yolo, "occluder_seg")


def test_yolo_missing_parts_are_named(yolo, tmp_path):
    with pytest.raises(ValueError, match=r"classes: expected some of .*got \['foot'\]"):
        YoloImages(yolo, "occluder", classes=["foot"])
    with pytest.raises(ValueError, match=r"subject: expected a group"):
        YoloImages(yolo, "occluder", subject="S.*")
    with pytest.raises(ValueError, match=r"does not match the file name 'S01_rest\.png'"):
        YoloImages(yolo, "occluder", subject="X(?P<subject>.*)")
    with pytest.raises(ValueError, match=r"task: expected one of .*got 'nose'"):
        YoloImages(yolo, "nose")
    (yolo / "data.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no data\.yaml"):
        YoloImages(yolo, "occluder")
