"""What finds faces, and what hides them, in single images (paper 3.1): one protocol.

- ``yolo``: :class:`diffmvr.preprocessing.yolo.YoloDetector`, fine-tuned weights, needs ultralytics;
- ``mediapipe``: :class:`MediapipeFaces`, the box around the Face Landmarker's landmarks;
- ``given``: :class:`GivenBoxes`, boxes from a file.

K detections; boxes are (x0, y0, x1, y1) in pixels, integer values at pixel centres.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np

from diffmvr.checks import check_box, check_shape
from diffmvr.preprocessing.face import boxes_around
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.which_face import nearest_box
from diffmvr.structures import FloatArray, UInt8Array

BOX_COLUMNS = ("frame", "x0", "y0", "x1", "y1")


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one image, the best first.

    Attributes:
        boxes: ``[K, 4]`` float.
        scores: ``[K]`` float in [0, 1].
        masks: ``[K, H, W]`` uint8 0/1, 1 = part of the object, or ``None`` if the detector draws no
            outlines.
    """

    boxes: FloatArray
    scores: FloatArray
    masks: UInt8Array | None = None

    def __post_init__(self) -> None:
        check_shape("boxes", self.boxes, (None, 4))
        check_shape("scores", self.scores, (len(self.boxes),))
        if self.masks is not None:
            check_shape("masks", self.masks, (len(self.boxes), None, None))

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def none(cls) -> "Detections":
        """Return the detections of an image that shows nothing."""
        return cls(np.empty((0, 4)), np.empty(0))


class Search(Enum):
    """How a detector finds a face in the frame after it was seen."""

    NEARBY = "in a window around its last place"
    LANDMARKS = "not at all: the landmarks of its region tell where it is"
    NUMBER = "by the frame's number, whatever the frame shows"


class Detector(Protocol):
    """Finds objects of one kind in an image.

    Attributes:
        search: how it finds a face that was seen before.
    """

    search: Search = Search.NEARBY

    def detect(self, image: UInt8Array) -> Detections:
        """Return what ``[H, W, 3]`` uint8 RGB shows."""
        ...

    def seek(self, frame: int) -> None:
        """Say which frame comes next, for a detector that knows frames by their number."""
        return

    def close(self) -> None:
        """Forget the video, for a detector that follows it."""
        return


class MediapipeFaces(Detector):
    """One face, by MediaPipe's Face Landmarker; for those without detector weights.

    Args:
        landmarker: used for this alone; it follows the face from call to call.

    Attributes:
        points: ``[478, 2]``, the landmarks of the face that was found last, or ``None``.
    """

    search = Search.LANDMARKS

    def __init__(self, landmarker: FaceLandmarker) -> None:
        self.landmarker = landmarker
        self.points: FloatArray | None = None

    def detect(self, image: UInt8Array) -> Detections:
        """Return the face of the next frame, with score 1, or nothing.

        Raises:
            LandmarkerUnavailableError: if MediaPipe or a library it needs is missing.
        """
        self.points = self.landmarker.detect(image)
        if self.points is None:
            return Detections.none()
        return Detections(boxes_around(self.points[None]), np.ones(1))

    def close(self) -> None:
        """Forget the video and free what MediaPipe holds."""
        self.landmarker.close()


class NearestFace(Detector):
    """Of the faces that another detector finds, the one that is meant, until it is found.

    Args:
        faces: the detector.
        at: ``[2]`` (x, y) in pixels of the whole frame, in the face that is meant or near it.
    """

    def __init__(self, faces: Detector, at: FloatArray) -> None:
        self.faces, self.at, self.search = faces, at, faces.search
        self._found = False

    def detect(self, image: UInt8Array) -> Detections:
        """Return that face of ``[H, W, 3]``; once it was found, all faces."""
        found = self.faces.detect(image)
        if self._found:
            return found
        nearest = nearest_box(found.boxes, self.at)
        if nearest is None:
            return Detections.none()
        self._found = True
        return Detections(found.boxes[[nearest]], found.scores[[nearest]])

    def seek(self, frame: int) -> None:
        """Say which frame comes next."""
        self.faces.seek(frame)

    def close(self) -> None:
        """Forget the video: the face is looked for at the point again."""
        self._found = False
        self.faces.close()


class GivenBoxes(Detector):
    """Boxes that are known beforehand, by the frame's number.

    A file knows a frame by its number and not by its looks, so :meth:`seek` names the next one.

    Args:
        boxes: ``[K, 4]`` by frame number; frames that are absent show no face.
    """

    search = Search.NUMBER

    def __init__(self, boxes: Mapping[int, FloatArray]) -> None:
        for frame, rows in boxes.items():
            check_shape(f"boxes of frame {frame}", rows, (None, 4))
            for row in rows:
                check_box(f"boxes of frame {frame}", row)
        self.boxes = dict(boxes)
        self._next = 0

    @classmethod
    def from_file(cls, path: Path) -> "GivenBoxes":
        """Read a .csv or .parquet table with columns frame, x0, y0, x1, y1.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no such table.
        """
        import polars as pl

        from diffmvr.table_io import read_table

        if not path.is_file():
            raise FileNotFoundError(f"boxes: there is no file {path}; check the path")
        try:
            table = read_table(path).select(
                pl.col("frame").cast(pl.Int64),
                *(pl.col(c).cast(pl.Float64) for c in BOX_COLUMNS[1:]),
            )
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise ValueError(
                f"boxes: {path} is not a table with columns {', '.join(BOX_COLUMNS)} ({error})"
            ) from error
        groups = table.partition_by("frame", as_dict=True)
        return cls({int(key[0]): rows[:, 1:].to_numpy() for key, rows in groups.items()})

    def seek(self, frame: int) -> None:
        """Say which frame comes next."""
        self._next = frame

    def detect(self, image: UInt8Array) -> Detections:
        """Return the boxes of the next frame, with score 1; the image is not looked at."""
        boxes = self.boxes.get(self._next, np.empty((0, 4)))
        self._next += 1
        return Detections(boxes, np.ones(len(boxes)))


class NoFaces(Detector):
    """Finds none: where no detector is installed and no box is given."""

    search = Search.NUMBER

    def detect(self, image: UInt8Array) -> Detections:
        """Return nothing."""
        return Detections.none()


class FixedBox(GivenBoxes):
    """One box that is the face of every frame.

    Args:
        box: ``[4]``.
    """

    def __init__(self, box: FloatArray) -> None:
        super().__init__({0: box[None]})

    def detect(self, image: UInt8Array) -> Detections:
        """Return the box, with score 1."""
        return Detections(self.boxes[0], np.ones(1))
