"""A user's own annotated images in COCO format, checked before anything is trained."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.checks import check_below
from diffmvr.data.annotations import SUBJECT_PATTERN, Intake, checked_object, kept_classes
from diffmvr.data.detection_set import LabelledImage, LabelledObject, read_rgb


class CocoImages:
    """A data set in COCO format: one JSON file of images, categories and annotations.

    Subjects are split by a hash of their name.

    Args:
        annotations: the JSON file.
        images: the folder that its ``file_name`` entries start from.
        task: ``face``, ``occluder`` or ``occluder_seg``.
        classes: names of the categories that count, all by default.
        subject: regular expression with a group ``subject``, matched at the start of file names.
        origin: what the images are called in the scores.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: naming the annotation's id and what is wrong with it.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        task: str,
        classes: Sequence[str] | None = None,
        subject: str = SUBJECT_PATTERN,
        origin: str = "coco",
    ) -> None:
        intake = Intake.checked(task, subject, origin)
        path, folder = Path(annotations), Path(images)
        data = _read_coco(path)
        names = {int(entry["id"]): str(entry["name"]) for entry in data["categories"]}
        kept = kept_classes(names, classes)
        by_image: dict[int, list[dict[str, Any]]] = {}
        known = {entry["id"] for entry in data["images"]}
        for entry in data["annotations"]:
            where = f"{path}, annotation {entry.get('id')}"
            for key, allowed in (("image_id", known), ("category_id", names)):
                if entry.get(key) not in allowed:
                    raise ValueError(
                        f"{where}: {key} {entry.get(key)!r} is not among the file's "
                        f"{'images' if key == 'image_id' else 'categories'}"
                    )
            if entry["category_id"] in kept:
                by_image.setdefault(entry["image_id"], []).append(entry)
        self._images = []
        for entry in data["images"]:
            check_below(f"{path}, file_name of image {entry['id']}", entry["file_name"])
            file = folder / entry["file_name"]
            if not file.is_file():
                raise FileNotFoundError(f"data.images: {path} names {file}, which does not exist")
            height, width = read_rgb(file).shape[:2]
            if (entry.get("height", height), entry.get("width", width)) != (height, width):
                raise ValueError(
                    f"{path}: image {entry['file_name']!r} is said to be "
                    f"{entry['width']} × {entry['height']}, the file is {width} × {height}; "
                    "annotate the images as they are"
                )
            objects = [
                item
                for note in by_image.get(entry["id"], [])
                for item in _coco_objects(
                    note, f"{path}, annotation {note.get('id')}", intake.outlines
                )
            ]
            self._images.append(intake.image(folder, file, (height, width), objects))
        if not self._images:
            raise ValueError(f"data.annotations: {path} lists no image")

    def __iter__(self) -> Iterator[LabelledImage]:
        return iter(self._images)


def _coco_objects(note: dict[str, Any], where: str, outlines: bool) -> list[LabelledObject]:
    """Return the objects of one annotation: its polygons (pixel edges), or its box."""
    if not outlines:
        box = np.asarray(note.get("bbox", []), dtype=np.float64)
        if box.shape != (4,):
            raise ValueError(
                f"{where}: expected bbox [x, y, width, height], got {note.get('bbox')}"
            )
        return [
            checked_object(
                LabelledObject(np.concatenate([box[:2], box[:2] + box[2:]]) - 0.5), where
            )
        ]
    polygons = note.get("segmentation")
    if not isinstance(polygons, list) or not polygons:
        raise ValueError(
            f"{where}: task occluder_seg needs polygons, got "
            f"{'run lengths' if isinstance(polygons, dict) else 'none'}; export polygons"
        )
    objects = []
    for polygon in polygons:
        values = np.asarray(polygon, dtype=np.float64)
        if values.ndim != 1 or len(values) < 6 or len(values) % 2:
            raise ValueError(
                f"{where}: expected polygons of at least 3 points (x, y, x, y, …), "
                f"got {values.size} numbers"
            )
        objects.append(
            checked_object(LabelledObject.from_outline(values.reshape(-1, 2) - 0.5), where)
        )
    return objects


def _read_coco(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"data.annotations: there is no file {path}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"data.annotations: {path} is not JSON ({error})") from error
    missing = [key for key in ("images", "categories", "annotations") if key not in data]
    if missing:
        raise ValueError(f"data.annotations: {path} is not COCO, it has no {', '.join(missing)}")
    return data
