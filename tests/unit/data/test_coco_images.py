import json

import numpy as np
import pytest
from tests.helpers.annotated_images import write_black_image

from diffmvr.data.coco_images import CocoImages


def coco(folder, annotation=None, **image):
    write_black_image(folder / "pictures" / "a" / "S01_0.png")
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
        ({}, {"file_name": "../notes.json"}, r"image 7: .* below its folder .* got '\.\./notes"),
        ({}, {"file_name": "/notes.json"}, r"image 7: .* below its folder .* got '/notes"),
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
