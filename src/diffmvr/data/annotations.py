"""What formats of annotated images share: subjects and classes by name, and checks of objects."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffmvr.checks import check_one_of
from diffmvr.data.detection_set import LabelledImage, LabelledObject
from diffmvr.parsing import parse_pattern
from diffmvr.structures import DETECTION_TASKS

SUBJECT_PATTERN = "(?P<subject>[^_]+)"
"""The subject is what stands before the first underscore, as in ``S024_Pain_20s.png``."""


@dataclass(frozen=True)
class Intake:
    """How annotated images of a user are taken in, whatever their format.

    Attributes:
        outlines: whether polygons are asked for.
        subject: tells the subject at the start of a file's name.
        origin: what the images are called in the scores.
    """

    outlines: bool
    subject: re.Pattern[str]
    origin: str

    @classmethod
    def checked(cls, task: str, subject: str, origin: str) -> "Intake":
        """Check the settings that every format has.

        Args:
            task: ``face``, ``occluder`` or ``occluder_seg``.
            subject: regular expression with a group ``subject``.
            origin: see the class.

        Raises:
            ValueError: if the task is another one, or the expression is none.
        """
        check_one_of("task", task, DETECTION_TASKS)
        return cls(task == "occluder_seg", subject_pattern(subject), origin)

    def image(
        self,
        root: Path,
        file: Path,
        size: tuple[int, int],
        objects: Sequence[LabelledObject],
        split: str | None = None,
    ) -> LabelledImage:
        """Return an image whose name and subject are told by its file's place and name.

        Args:
            root: the data set's folder.
            file: the image.
            size: its (height, width).
            objects: what is in it.
            split: where the data set has decided.

        Raises:
            ValueError: if the name does not tell the subject.
        """
        return LabelledImage(
            name=flat_name(self.origin, root, file),
            subject=subject_of(self.subject, file.name),
            origin=self.origin,
            size=size,
            objects=tuple(objects),
            pixels=file,
            split=split,
        )


def subject_pattern(text: str) -> re.Pattern[str]:
    """Compile what tells the subject at the start of a file's name.

    Raises:
        ValueError: if it is no regular expression with a group ``subject``.
    """
    return parse_pattern("subject", text, f"{SUBJECT_PATTERN!r}")


def subject_of(pattern: re.Pattern[str], name: str) -> str:
    """Return whose image a file's name tells it is.

    Raises:
        ValueError: if the name does not fit.
    """
    # Without its ending, or a name without an underscore would be a subject called "a.png".
    match = pattern.match(Path(name).stem)
    if match is None:
        raise ValueError(f"subject: {pattern.pattern!r} does not match the file name {name!r}")
    return match["subject"]


def flat_name(origin: str, root: Path, path: Path) -> str:
    """Return one name of a file in nested folders."""
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-3:])
    return "-".join((origin, *inside.with_suffix("").parts))


def kept_classes(names: dict[int, str], classes: Sequence[str] | None) -> set[int]:
    """Return the numbers of the classes that count: all, or those named.

    Raises:
        ValueError: if one of them is not in the data set.
    """
    unknown = sorted(set(classes or []) - set(names.values()))
    if unknown:
        raise ValueError(f"classes: expected some of {sorted(names.values())}, got {unknown}")
    return {index for index, name in names.items() if classes is None or name in classes}


def checked_object(item: LabelledObject, where: str) -> LabelledObject:
    """Return an object, if its box has some size.

    Args:
        item: the object.
        where: file and line of its annotation, for the message.

    Raises:
        ValueError: with the size.
    """
    extent = item.box[2:] - item.box[:2]
    if not np.all(extent > 0):
        raise ValueError(
            f"{where}: expected a box with width and height, got {extent[0]:g} × {extent[1]:g} "
            "pixels; remove the object or draw it again"
        )
    return item
