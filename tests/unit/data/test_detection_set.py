import cv2
import numpy as np
import pytest
import yaml

from diffmvr.data.detection_set import (
    LabelledImage,
    LabelledObject,
    RenderedImages,
    objects_of,
    read_rgb,
    write_yolo_set,
)
from diffmvr.data.sources import SyntheticClips
from diffmvr.data.yolo_images import YoloImages
from diffmvr.geometry import boxes_mask


def iou(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def image(name, subject, box=(4.0, 4.0, 20.0, 24.0), split=None):
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[..., 0] = 200
    objects = () if box is None else (LabelledObject(np.array(box)),)
    return LabelledImage(name, subject, "made", (32, 48), objects, pixels, split)


def test_object_of_a_rectangle_reaches_the_pixels_edges():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 30:45] = 1
    (item,) = objects_of(mask)
    np.testing.assert_allclose(item.box, [29.5, 9.5, 44.5, 19.5])
    np.testing.assert_array_equal(boxes_mask(item.box[None], mask.shape), mask)


def test_outline_fills_the_mask_it_was_traced_on():
    y, x = np.mgrid[:96, :128]
    mask = (((x - 60) / 40) ** 2 + ((y - 50) / 25) ** 2 < 1).astype(np.uint8)
    made = LabelledImage("a", "a", "made", (96, 128), tuple(objects_of(mask)), np.zeros((1,)))
    assert iou(made.region(outlines=True), mask) > 0.98


def test_separate_pieces_are_objects_and_crumbs_are_not():
    mask = np.zeros((100, 100), np.uint8)
    mask[10:30, 10:30] = mask[60:90, 60:90] = 1
    mask[50, 50] = 1
    assert len(objects_of(mask)) == 2
    assert objects_of(np.zeros((8, 8), np.uint8)) == []


def test_rendered_images_know_faces_and_occluders():
    clips = SyntheticClips(seed=3, subjects=2, clips_per_subject=1, num_frames=8)
    faces = list(RenderedImages(clips, "face", stride=4))
    occluders = list(RenderedImages(clips, "occluder_seg", stride=1))
    assert len(faces) == 4 and len(occluders) == 16
    np.testing.assert_allclose(faces[0].objects[0].box, clips[0].track.face_box[0])
    for t, made in enumerate(occluders[:8]):
        truth = clips[0].mask[t]
        if truth.mean() > 0.05:
            # Holes between fingers are lost, and pieces too small to count.
            assert iou(made.region(outlines=True), truth) > 0.85
    assert {made.subject for made in faces} == set(clips.subject_ids)


@pytest.mark.parametrize("outlines", [False, True])
def test_written_set_is_read_back_as_it_was(tmp_path, outlines):
    task = "occluder_seg" if outlines else "occluder"
    clips = SyntheticClips(seed=3, subjects=14, clips_per_subject=1, num_frames=8)
    made = {one.name: one for one in RenderedImages(clips, task, stride=7)}
    counts = write_yolo_set(made.values(), tmp_path, "occluder", outlines, required=("train",))
    assert sum(count.total() for count in counts.values()) == len(made)
    read = list(YoloImages(tmp_path, task))
    assert len(read) == len(made)
    for one in read:
        before = made[one.pixels.stem]
        np.testing.assert_array_equal(one.read(), before.read())
        assert len(one.objects) == len(before.objects)
        for item, wanted in zip(one.objects, before.objects, strict=True):
            np.testing.assert_allclose(item.box, wanted.box, atol=0.3 if outlines else 1e-3)


def test_subject_is_never_in_two_splits(tmp_path):
    made = [image("a", "anna", split="train"), image("b", "anna", split="val")]
    with pytest.raises(ValueError, match="'anna' is in both train and val"):
        write_yolo_set(made, tmp_path, "face", False)


def test_set_without_validation_is_refused_with_what_was_found(tmp_path):
    with pytest.raises(ValueError, match=r"got 1 training objects and images: 1 train, 0 val"):
        write_yolo_set([image("a", "anna", split="train")], tmp_path, "face", False)


def test_two_images_of_one_name_are_refused(tmp_path):
    made = [image("a", "anna", split="train"), image("a", "bert", split="val")]
    with pytest.raises(ValueError, match="two are named 'a'"):
        write_yolo_set(made, tmp_path, "face", False)


def test_segmentation_needs_outlines(tmp_path):
    with pytest.raises(ValueError, match=r"image 'a': an object has a box but no outline"):
        write_yolo_set([image("a", "anna", split="train")], tmp_path, "occluder", True)


def test_set_for_ultralytics_names_its_own_folders_only(tmp_path):
    made = [image("a", "anna", split="train"), image("b", "bert", None, split="val")]
    write_yolo_set(made, tmp_path, "face", False)
    facts = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert facts["names"] == {0: "face"}
    assert facts["train"] == "images/train" and facts["path"] == str(tmp_path)
    assert (tmp_path / "labels" / "val" / "b.txt").read_text() == ""
    values = [float(v) for v in (tmp_path / "labels/train/a.txt").read_text().split()]
    assert values == pytest.approx([0, 12.5 / 48, 14.5 / 32, 16 / 48, 20 / 32], abs=1e-5)


def test_unreadable_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png is not a picture that can be read as PNG"):
        read_rgb(tmp_path / "a.png")
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[..., 0] = 255
    cv2.imwrite(str(tmp_path / "b.png"), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    np.testing.assert_array_equal(read_rgb(tmp_path / "b.png"), pixels)
