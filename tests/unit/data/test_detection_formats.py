import json

import numpy as np
import pytest
import yaml
from PIL import Image

from diffmvr.data.detection_formats import CocoImages, YoloImages


def write_image(path, width=40, height=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)


@pytest.fixture
def yolo(tmp_path):
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"names": ["hand", "toy"]}))
    write_image(tmp_path / "images" / "S01_rest.png")
    write_image(tmp_path / "images" / "S02_pain.jpg")
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "S01_rest.txt").write_text("0 0.5 0.5 0.5 0.4\n1 0.1 0.1 0.4 0.1 0.4 0.8\n")
    return tmp_path


def coco(folder, annotation=None, **image):
    write_image(folder / "pictures" / "a" / "S01_0.png")
    data = {
        "images": [{"id": 7, "file_name": "a/S01_0.png", "width": 40, "height": 20, **image}],
        "categories": [{"id": 3, "name": "hand"}, {"id": 4, "name": "toy"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "bbox": [10, 6, 20, 8],
                "segmentation": [[10, 6, 30, 6, 30, 14]],
                **(annotation or {}),
            }
        ],
    }
    path = folder / "notes.json"
    path.write_text(json.dumps(data))
    return path, folder / "pictures"


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


def test_coco_boxes_and_polygons_in_pixels(tmp_path):
    notes, pictures = coco(tmp_path)
    (made,) = CocoImages(notes, pictures, "occluder")
    np.testing.assert_allclose(made.objects[0].box, [9.5, 5.5, 29.5, 13.5])
    assert made.objects[0].outline is None and made.subject == "S01"
    (made,) = CocoImages(notes, pictures, "occluder_seg")
    np.testing.assert_allclose(made.objects[0].outline[0], [9.5, 5.5])
    (made,) = CocoImages(notes, pictures, "occluder", classes=["toy"])
    assert made.objects == ()


@pytest.mark.parametrize(
    ("annotation", "image", "message"),
    [
        ({"category_id": 9}, {}, r"annotation 1: category_id 9 is not among"),
        ({"image_id": 8}, {}, r"annotation 1: image_id 8 is not among"),
        ({"segmentation": {"counts": "x"}}, {}, r"needs polygons, got run lengths"),
        ({"segmentation": [[1, 2, 3, 4]]}, {}, r"at least 3 points .* got 4 numbers"),
        ({}, {"width": 41}, r"said to be 41 × 20, the file is 40 × 20"),
    ],
)
def test_coco_wrong_annotation_is_named(tmp_path, annotation, image, message):
    with pytest.raises(ValueError, match=message):
        CocoImages(*coco(tmp_path, annotation, **image), "occluder_seg")


def test_coco_missing_files_are_named(tmp_path):
    notes, pictures = coco(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.json"):
        CocoImages(tmp_path / "none.json", pictures, "face")
    (tmp_path / "part.json").write_text("{}")
    with pytest.raises(ValueError, match="it has no images, categories, annotations"):
        CocoImages(tmp_path / "part.json", pictures, "face")
    with pytest.raises(FileNotFoundError, match=r"S01_0\.png, which does not exist"):
        CocoImages(notes, tmp_path, "face")
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.json is not JSON"):
        CocoImages(tmp_path / "text.json", pictures, "face")
