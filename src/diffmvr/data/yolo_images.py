"""A user's own annotated images in YOLO format, checked before anything is trained."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from diffmvr.data.annotations import SUBJECT_PATTERN, Intake, checked_object, kept_classes
from diffmvr.data.detection_set import LabelledImage, LabelledObject, read_rgb
from diffmvr.data.splits import SPLITS

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")

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
        self._intake = Intake.checked(task, subject, origin)
        self._root = Path(root).resolve()
        settings = _read_data_yaml(self._root)
        self._names: dict[int, str] = settings["names"]
        self._kept = kept_classes(self._names, classes)
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
        return self._intake.image(self._root, path, (height, width), objects, split)

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
            return checked_object(LabelledObject.from_outline(outline), where)
        if self._intake.outlines:
            raise ValueError(
                f"{where}: task occluder_seg needs a polygon, got a box; annotate outlines or "
                "choose task=occluder"
            )
        centre, half = shares[:2], shares[2:] / 2
        corners = np.stack([centre - half, centre + half]).clip(0, 1) * scale - 0.5
        return checked_object(LabelledObject(corners.ravel()), where)


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
