"""Annotated images for training a detector, and the YOLO folder they are trained from.

Boxes and outlines are in pixels (x, y), integer values at pixel *centres*: a box around the
pixels 3 … 7 reaches from 2.5 to 7.5.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from diffmvr.checks import check_number, check_one_of
from diffmvr.data.sources import ClipSource
from diffmvr.data.splits import SPLITS, check_disjoint, split_of
from diffmvr.geometry import boxes_mask
from diffmvr.picture_files import FORMATS, open_picture
from diffmvr.progress import tracked
from diffmvr.structures import DETECTION_TASKS, Clip, FloatArray, UInt8Array
from diffmvr.text import csv_text

LEAST_SHARE = 0.002
"""Pieces of an occluder smaller than this share of the image are no objects: a fingertip that
just enters the picture is neither learnt nor asked for."""

READABLE = (*FORMATS, "BMP", "WEBP")
"""Pillow's names of the files that are read."""

_ZOOM = 4
"""Outlines are traced on a mask enlarged by this, or they would lose half a pixel all around."""


@dataclass(frozen=True)
class LabelledObject:
    """One object in an image.

    Attributes:
        box: ``[4]`` (x0, y0, x1, y1).
        outline: ``[P, 2]`` its polygon, or ``None`` if only the box is known.
    """

    box: FloatArray
    outline: FloatArray | None = None

    @classmethod
    def from_outline(cls, outline: FloatArray) -> "LabelledObject":
        """Make an object of a polygon ``[P, 2]``."""
        return cls(np.concatenate([outline.min(axis=0), outline.max(axis=0)]), outline)


@dataclass(frozen=True)
class LabelledImage:
    """An image with its objects, all of the one class that a detector looks for.

    Attributes:
        name: unique name, a file's name without its ending.
        subject: the person; splits go by it.
        origin: what the image comes from, e.g. ``"rendered"``; scores are given for each apart.
        size: (height, width).
        objects: what is in it; may be none.
        pixels: ``[H, W, 3]`` uint8 RGB, or the file that holds them.
        split: ``"train"``, ``"val"`` or ``"test"`` where the data set has decided, else ``None``.
    """

    name: str
    subject: str
    origin: str
    size: tuple[int, int]
    objects: tuple[LabelledObject, ...]
    pixels: UInt8Array | Path
    split: str | None = None

    def read(self) -> UInt8Array:
        """Return ``[H, W, 3]`` uint8 RGB."""
        if isinstance(self.pixels, Path):
            return read_rgb(self.pixels)
        return self.pixels

    def region(self, outlines: bool) -> UInt8Array:
        """Return ``[H, W]`` 0/1: the pixels of all objects, by outline or by box."""
        drawn = [item.outline for item in self.objects if outlines and item.outline is not None]
        boxes = [item.box for item in self.objects if not outlines or item.outline is None]
        mask = boxes_mask(np.array(boxes).reshape(-1, 4), self.size)
        for outline in drawn:
            cv2.fillPoly(mask, [_fixed_point(outline)], (1,), shift=4)
        return mask


class RenderedImages:
    """Frames of rendered clips, annotated by the renderer.

    Args:
        clips: rendered or composited clips.
        task: ``face`` (the face box, hidden or not), ``occluder`` or ``occluder_seg``.
        stride: every how many-th frame.
        origin: what the images are called in the scores.
    """

    def __init__(
        self, clips: ClipSource, task: str, stride: int = 3, origin: str = "rendered"
    ) -> None:
        check_one_of("task", task, DETECTION_TASKS)
        check_number("stride", stride, 1, 10_000)
        self._clips = clips
        self._task = task
        self._stride = stride
        self._origin = origin

    def __iter__(self) -> Iterator[LabelledImage]:
        for index in range(len(self._clips)):
            clip = self._clips[index]
            yield from label_clip(clip, self._task, self._stride, self._origin)


def label_clip(clip: Clip, task: str, stride: int, origin: str) -> Iterator[LabelledImage]:
    """Yield every ``stride``-th frame of a clip, as the camera saw it, with its objects."""
    for t in range(0, len(clip), stride):
        if task == "face":
            objects = [LabelledObject(clip.track.face_box[t])]
        else:
            objects = objects_of(clip.mask[t])
        height, width = clip.mask.shape[1:]
        yield LabelledImage(
            name=f"{origin}-{clip.clip_id}-{t:05d}",
            subject=clip.subject_id,
            origin=origin,
            size=(height, width),
            objects=tuple(_clip_to(item, height, width) for item in objects),
            pixels=clip.observed[t],
        )


def objects_of(mask: UInt8Array, least_share: float = LEAST_SHARE) -> list[LabelledObject]:
    """Return the connected pieces of a mask ``[H, W]`` 0/1 as objects with outlines.

    Holes inside a piece are lost: a YOLO polygon has none.
    """
    height, width = mask.shape
    large = cv2.resize(mask, (_ZOOM * width, _ZOOM * height), interpolation=cv2.INTER_NEAREST_EXACT)
    contours, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    objects = []
    for contour in contours:
        outline = cv2.approxPolyDP(contour, 1.0, True)[:, 0].astype(np.float64)
        if cv2.contourArea(contour) >= least_share * large.size and len(outline) >= 3:
            low, high = contour.reshape(-1, 2).min(axis=0), contour.reshape(-1, 2).max(axis=0) + 1
            box = np.concatenate([low, high]) / _ZOOM - 0.5
            objects.append(LabelledObject(box, (outline + 0.5) / _ZOOM - 0.5))
    return objects


def write_yolo_set(
    images: Iterable[LabelledImage],
    folder: Path,
    class_name: str,
    outlines: bool,
    required: Sequence[str] = ("train", "val"),
) -> dict[str, Counter[str]]:
    """Write images and labels as ultralytics reads them, split by subject.

    ``folder`` receives ``images/SPLIT``, ``labels/SPLIT``, ``data.yaml`` and ``images.csv`` (name,
    subject, origin and split of each image).  Images are copied: ultralytics repairs files in
    place and leaves caches beside labels, which must not happen in a user's folder.

    Args:
        images: the annotated images; each is in memory only while it is written.
        folder: an empty folder.
        class_name: name of the one class.
        outlines: write polygons instead of boxes.
        required: splits that must not be empty.

    Returns:
        For each split, the number of images of each origin.

    Raises:
        ValueError: if two images have one name, an outline is missing, a subject is in two
            splits, a required split has no image, or no training image has an object.
    """
    rows: list[dict[str, str]] = []
    seen: set[str] = set()
    objects = 0
    for split in SPLITS:
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
    for image in tracked(images, "preparing", "images"):
        if image.name in seen:
            raise ValueError(f"images: two are named {image.name!r}; give each its own name")
        seen.add(image.name)
        split = image.split or split_of(image.subject)
        lines = [_label_line(image, item, outlines) for item in image.objects]
        (folder / "labels" / split / f"{image.name}.txt").write_text(
            "".join(lines), encoding="utf-8"
        )
        bgr = cv2.cvtColor(image.read(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "images" / split / f"{image.name}.png"), bgr)
        objects += len(lines) if split == "train" else 0
        rows.append(
            {"name": image.name, "subject": image.subject, "origin": image.origin, "split": split}
        )
    counts = {s: Counter(row["origin"] for row in rows if row["split"] == s) for s in SPLITS}
    check_disjoint({s: [row["subject"] for row in rows if row["split"] == s] for s in SPLITS})
    if ("train" in required and not objects) or not all(counts[split] for split in required):
        found = ", ".join(f"{counts[split].total()} {split}" for split in SPLITS)
        raise ValueError(
            f"data: expected objects to train on and images of other people for each of "
            f"{', '.join(required)}, got {objects} training objects and images: {found}; add "
            "subjects, or give the split in the data set's data.yaml"
        )
    columns = ("name", "subject", "origin", "split")
    table = [columns, *(tuple(row[column] for column in columns) for row in rows)]
    (folder / "images.csv").write_text(csv_text(table), encoding="utf-8", newline="")
    facts: dict[str, Any] = {"path": str(folder.resolve())}
    facts |= {split: f"images/{split}" for split in SPLITS if counts[split]}
    facts["names"] = {0: class_name}
    (folder / "data.yaml").write_text(yaml.safe_dump(facts, sort_keys=False), encoding="utf-8")
    return counts


def read_rgb(path: Path) -> UInt8Array:
    """Read an image file as ``[H, W, 3]`` uint8 RGB, turned as its EXIF says.

    Raises:
        ValueError: if it cannot be decoded, or is none of ``READABLE``.
    """
    open_picture(path, "image", READABLE, decode=False)
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"image: {path} cannot be decoded; save it anew")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _label_line(image: LabelledImage, item: LabelledObject, outlines: bool) -> str:
    """Return ``class x y w h`` or ``class x y x y …``, as shares of the image's size."""
    height, width = image.size
    scale = np.array([width, height], dtype=np.float64)
    if outlines:
        if item.outline is None:
            raise ValueError(
                f"image {image.name!r}: an object has a box but no outline; segmentation is "
                "trained on polygons, so annotate them or choose task=occluder"
            )
        values = ((item.outline + 0.5) / scale).clip(0, 1).ravel()
    else:
        low, high = ((item.box.reshape(2, 2) + 0.5) / scale).clip(0, 1)
        values = np.concatenate([(low + high) / 2, high - low])
    return "0 " + " ".join(f"{value:.6f}" for value in values) + "\n"


def _clip_to(item: LabelledObject, height: int, width: int) -> LabelledObject:
    """Cut a box off at the edges of the image."""
    limit = np.array([width, height] * 2) - 0.5
    return LabelledObject(item.box.clip(-0.5, limit), item.outline)


def _fixed_point(outline: FloatArray) -> np.ndarray:
    return np.rint(outline * 16).astype(np.int32)
