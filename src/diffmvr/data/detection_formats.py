"""A user's own annotated images, in YOLO or COCO format, checked before anything is trained."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from diffmvr.checks import check_one_of
from diffmvr.data.detection_set import TASKS, LabelledImage, LabelledObject, read_rgb
from diffmvr.data.splits import SPLITS

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
SUBJECT_PATTERN = "(?P<subject>[^_]+)"
"""The subject is what stands before the first underscore, as in ``S024_Pain_20s.png``."""

_SLACK = 1e-3
"""Annotation tools round: shares this far outside [0, 1] are clipped, not refused."""


class YoloImages:
    """A data set in YOLO format: ``images/…`` and, at the same place, ``labels/….txt``.

    A label line is ``class x y w h`` (a box by its centre) or ``class x y x y x y …`` (a polygon),
    as shares of the image's size.  An image without a label file, or with an empty one, has no
    object.  ``data.yaml`` names the classes; if it names folders for ``train``, ``val`` or
    ``test``, those are the splits, else subjects are split by a hash of their name.

    Args:
        root: the folder that holds ``data.yaml`` and ``images``.
        task: ``face``, ``occluder`` or ``occluder_seg``.
        classes: names of the classes that count, all by default.  What they find becomes one class.
        subject: regular expression with a group ``subject``, matched at the start of file names.
        origin: what the images are called in the scores.

    Raises:
        FileNotFoundError: if the folder lacks ``data.yaml`` or images.
        ValueError: naming the file and line of the first label that is wrong.
    """

    def __init__(
        self,
        root: str | Path,
        task: str,
        classes: Sequence[str] | None = None,
        subject: str = SUBJECT_PATTERN,
        origin: str = "yolo",
    ) -> None:
        check_one_of("task", task, TASKS)
        self._root = Path(root).resolve()
        settings = _read_data_yaml(self._root)
        self._names: dict[int, str] = settings["names"]
        self._kept = _kept_classes(self._names, classes)
        self._pattern = _compile(subject)
        self._origin = origin
        self._outlines = task == "occluder_seg"
        self._images = list(self._find(settings["splits"]))
        if not self._images:
            raise FileNotFoundError(
                f"data.root: no image in {self._root / 'images'}; expected {IMAGE_ENDINGS}"
            )

    def __iter__(self) -> Iterator[LabelledImage]:
        return iter(self._images)

    def _find(self, splits: dict[str, list[Path]]) -> Iterator[LabelledImage]:
        folders = splits or {"": [self._root / "images"]}
        for split, places in folders.items():
            for place in places:
                if not place.is_dir():
                    raise FileNotFoundError(
                        f"data.root: data.yaml names {place} for {split!r}, which is no folder"
                    )
                for path in sorted(place.rglob("*")):
                    if path.suffix.lower() in IMAGE_ENDINGS:
                        yield self._read(path, split or None)

    def _read(self, path: Path, split: str | None) -> LabelledImage:
        height, width = read_rgb(path).shape[:2]
        parts = list(path.with_suffix(".txt").parts)
        if "images" not in parts:
            raise ValueError(
                f"data.root: {path} is in no folder called images, so its label has no place; "
                "put images under images/ and labels under labels/"
            )
        # ultralytics replaces the last "images" of a path.
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
        label = Path(*parts)
        objects = []
        for number, line in enumerate(
            label.read_text(encoding="utf-8").splitlines() if label.is_file() else [], start=1
        ):
            if line.strip():
                found = self._parse(f"{label}, line {number}", line, (height, width))
                objects += [found] if found is not None else []
        return LabelledImage(
            name=_flat_name(self._origin, self._root, path),
            subject=_subject_of(self._pattern, path.name),
            origin=self._origin,
            size=(height, width),
            objects=tuple(objects),
            pixels=path,
            split=split,
        )

    def _parse(self, where: str, line: str, size: tuple[int, int]) -> LabelledObject | None:
        """Return the object of a label line, ``None`` if its class does not count."""
        try:
            values = np.array([float(word) for word in line.split()])
        except ValueError as error:
            raise ValueError(f"{where}: expected numbers, got {line.strip()!r}") from error
        count = len(values)
        if count != 5 and (count < 7 or count % 2 == 0):
            raise ValueError(
                f"{where}: expected 5 numbers (class and box) or a class and at least 3 points, "
                f"got {count} numbers"
            )
        if values[0] not in self._names:
            raise ValueError(
                f"{where}: class {values[0]:g} is not among those of data.yaml, {self._names}"
            )
        shares = values[1:]
        if not (shares.min() >= -_SLACK and shares.max() <= 1 + _SLACK):
            raise ValueError(
                f"{where}: expected shares of the image's size in [0, 1], got "
                f"[{shares.min():g}, {shares.max():g}]; divide pixels by width and height"
            )
        if int(values[0]) not in self._kept:
            return None
        scale = np.array([size[1], size[0]], dtype=np.float64)
        if count > 5:
            outline = shares.reshape(-1, 2).clip(0, 1) * scale - 0.5
            return _checked(LabelledObject.from_outline(outline), where)
        if self._outlines:
            raise ValueError(
                f"{where}: task occluder_seg needs a polygon, got a box; annotate outlines or "
                "choose task=occluder"
            )
        centre, half = shares[:2], shares[2:] / 2
        corners = np.stack([centre - half, centre + half]).clip(0, 1) * scale - 0.5
        return _checked(LabelledObject(corners.ravel()), where)


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
        check_one_of("task", task, TASKS)
        path, folder = Path(annotations), Path(images)
        data = _read_coco(path)
        names = {int(entry["id"]): str(entry["name"]) for entry in data["categories"]}
        kept = _kept_classes(names, classes)
        pattern = _compile(subject)
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
                    note, f"{path}, annotation {note.get('id')}", task == "occluder_seg"
                )
            ]
            self._images.append(
                LabelledImage(
                    name=_flat_name(origin, folder, file),
                    subject=_subject_of(pattern, file.name),
                    origin=origin,
                    size=(height, width),
                    objects=tuple(objects),
                    pixels=file,
                )
            )
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
        return [_checked(LabelledObject(np.concatenate([box[:2], box[:2] + box[2:]]) - 0.5), where)]
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
        objects.append(_checked(LabelledObject.from_outline(values.reshape(-1, 2) - 0.5), where))
    return objects


def _checked(item: LabelledObject, where: str) -> LabelledObject:
    """Require a box of some size."""
    extent = item.box[2:] - item.box[:2]
    if not np.all(extent > 0):
        raise ValueError(
            f"{where}: expected a box with width and height, got {extent[0]:g} × {extent[1]:g} "
            "pixels; remove the object or draw it again"
        )
    return item


def _read_data_yaml(root: Path) -> dict[str, Any]:
    """Return ``names`` {index: name} and ``splits`` {split: folders} of a YOLO data set."""
    path = root / "data.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"data.root: {root} has no data.yaml; write one with the classes, e.g. names: [hand]"
        )
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"data.root: {path} is not YAML ({error})") from error
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise ValueError(f"data.root: {path} has no names; list the classes, e.g. names: [hand]")
    splits = {}
    for split in SPLITS:
        places = data.get(split)
        if places:
            listed = [places] if isinstance(places, str) else list(places)
            splits[split] = [_place(root, place) for place in listed]
    return {"names": {int(k): str(v) for k, v in names.items()}, "splits": splits}


def _place(root: Path, place: str) -> Path:
    """Return a folder of ``data.yaml``; "../train/images" is often meant from the root itself."""
    named = (root / place).resolve()
    return named if named.exists() or not place.startswith("../") else (root / place[3:]).resolve()


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


def _kept_classes(names: dict[int, str], classes: Sequence[str] | None) -> set[int]:
    unknown = sorted(set(classes or []) - set(names.values()))
    if unknown:
        raise ValueError(f"classes: expected some of {sorted(names.values())}, got {unknown}")
    return {index for index, name in names.items() if classes is None or name in classes}


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"subject: {pattern!r} is no regular expression ({error})") from error
    if "subject" not in compiled.groupindex:
        raise ValueError(f"subject: expected a group (?P<subject>…), got {pattern!r}")
    return compiled


def _subject_of(pattern: re.Pattern[str], name: str) -> str:
    # Without its ending, or a name without an underscore would be a subject called "a.png".
    match = pattern.match(Path(name).stem)
    if match is None:
        raise ValueError(f"subject: {pattern.pattern!r} does not match the file name {name!r}")
    return match["subject"]


def _flat_name(origin: str, root: Path, path: Path) -> str:
    """Return one name of a file in nested folders."""
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-3:])
    return "-".join((origin, *inside.with_suffix("").parts))
