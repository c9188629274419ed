"""Which detectors a run uses, by name, and what they need; opened in the process that uses them."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffmvr.checks import check_number, check_one_of
from diffmvr.config import weights_dir
from diffmvr.preprocessing.detection import (
    Detector,
    FixedBox,
    GivenBoxes,
    MediapipeFaces,
    NearestFace,
)
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.occlusion import DETECTED, MASK_KINDS, OccluderFinder
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.scene_layout import MaskCleaning
from diffmvr.published_weights import COMMAND
from diffmvr.structures import FloatArray

FACE_KINDS = ("yolo", "mediapipe", "given")
OCCLUDER_TASK = {"segmentation": "occluder_seg", "bbox": "occluder"}

DEFAULT_CLEANING = MaskCleaning(close=6.0, fill_gap=3, dilate=6.0)
"""For detected masks in crops of 512 pixels; a given mask is taken as it is."""


@dataclass(frozen=True)
class Backends:
    """What finds the face and what hides it.  Only names and paths: it can be sent to a worker.

    Attributes:
        face: ``"yolo"``, ``"mediapipe"`` or ``"given"`` (boxes from a file).
        mask: ``"segmentation"``, ``"bbox"``, ``"given"`` or ``"none"`` (nothing hides the face).
        face_weights: detector of ``face="yolo"``: a folder, or a ``.pt`` file that is trusted.
        occluder_weights: detector of ``mask="segmentation"`` or ``"bbox"``.
        landmarker: bundle of the Face Landmarker; ``None`` leaves the midline to the face box.
        confidence: least score of a detection.
        trusted: whether weights that are a ``.pt`` file may be read, which runs the code in them.
    """

    face: str
    mask: str
    face_weights: Path | None = None
    occluder_weights: Path | None = None
    landmarker: Path | None = None
    confidence: float = 0.5
    trusted: bool = False

    def __post_init__(self) -> None:
        check_one_of("face", self.face, FACE_KINDS)
        check_one_of("mask", self.mask, MASK_KINDS)
        check_number("confidence", self.confidence, 0.0, 1.0)

    @property
    def weights(self) -> dict[str, Path]:
        """Return the weights that shape the result, by name."""
        named = {
            "face": self.face_weights if self.face == "yolo" else None,
            self.mask: self.occluder_weights if self.mask in DETECTED else None,
            "landmarker": self.landmarker,
        }
        return {name: path for name, path in named.items() if path is not None}

    def open_scanner(
        self,
        boxes: Path | FloatArray | None = None,
        max_gap: int = 10,
        max_frames: int = 600,
        at: FloatArray | None = None,
    ) -> Scanner:
        """Load what is named; call it in the process that uses it.

        Args:
            boxes: of ``face="given"``: a file, or ``[4]``, the box of every frame.
            max_gap: see ``Scanner``.
            max_frames: see ``Scanner``.
            at: ``[2]`` (x, y) in pixels, in the face that is meant among several; ``None``: the
                largest.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if one cannot be used.
        """
        landmarker = None if self.landmarker is None else FaceLandmarker(self.landmarker)
        occluders = None
        if self.mask in DETECTED:
            occluders = OccluderFinder(self._yolo(self.occluder_weights), self.mask)
        return Scanner(
            self._faces(boxes, at), self.face, landmarker, occluders, max_gap, max_frames
        )

    def _faces(self, boxes: Path | FloatArray | None, at: FloatArray | None) -> Detector:
        if self.face == "given":
            if isinstance(boxes, np.ndarray):
                return FixedBox(boxes)
            if boxes is None:
                raise ValueError(
                    "boxes: face=given needs a table of boxes (columns frame, x0, y0, x1, y1), "
                    "got none; give boxes=FILE.csv"
                )
            return GivenBoxes.from_file(boxes)
        if self.face == "yolo":
            found = self._yolo(self.face_weights)
            return found if at is None else NearestFace(found, at)
        if self.landmarker is None:
            raise ValueError(
                "landmarker: face=mediapipe needs the Face Landmarker bundle, got none; give "
                f"landmarker=PATH of face_landmarker.task (`{COMMAND} where face_landmarker` tells "
                "how it comes here)"
            )
        return MediapipeFaces(FaceLandmarker(self.landmarker, at=at))

    def _yolo(self, weights: Path | None) -> Detector:
        if weights is None:
            raise ValueError("weights: a detector needs a folder of weights, got none")
        from diffmvr.preprocessing.yolo import YoloDetector

        return YoloDetector(weights, self.confidence, trusted=self.trusted)


def choose_backends(
    face: str = "auto",
    mask: str = "segmentation",
    face_weights: Path | None = None,
    occluder_weights: Path | None = None,
    landmarker: Path | None = None,
    confidence: float = 0.5,
    trusted: bool = False,
    boxes: bool = False,
) -> Backends:
    """Decide what to use of what is there.

    Args:
        face: one of the kinds, or ``"auto"``: given boxes if there are any, else the detector that
            ``face_weights`` names, else MediaPipe if it is installed with its bundle (it places the
            box better than the small detector that ships), else the YOLO detector that ships.
        mask: one of the kinds.
        face_weights: instead of the detector that ships.
        occluder_weights: instead of the detector that ships.
        landmarker: bundle of the Face Landmarker, if there is one.
        confidence: least score of a detection.
        trusted: see ``Backends``.
        boxes: whether boxes of faces are given.

    Raises:
        FileNotFoundError: if a detector that is named lacks a file.
        ValueError: if what is asked for is not installed, or a detector that is named is broken;
            the message names the remedy.
    """
    check_one_of("face", face, ("auto", *FACE_KINDS))
    check_one_of("mask", mask, MASK_KINDS)
    installed = importlib.util.find_spec("ultralytics") is not None
    mediapipe = landmarker is not None and importlib.util.find_spec("mediapipe") is not None
    given = [path for path in (face_weights, occluder_weights) if path is not None]
    named = face_weights is not None
    face_weights = face_weights or shipped_detector("face")
    if face == "auto":
        yolo = named or (not mediapipe and installed and face_weights is not None)
        face = "given" if boxes else "yolo" if yolo else "mediapipe"
    if mask in DETECTED:
        occluder_weights = occluder_weights or shipped_detector(OCCLUDER_TASK[mask])
    for name, kind, weights in (("face", face, face_weights), ("mask", mask, occluder_weights)):
        if kind == "yolo" or kind in DETECTED:
            _check_detector(name, kind, weights, installed)
    if face == "mediapipe" and not mediapipe:
        raise ValueError(
            "face: no face detector is installed: give landmarker=PATH of face_landmarker.task "
            f"(`{COMMAND} where face_landmarker` tells how it comes here) and "
            "pip install 'diffmvr[landmarks]', or pip install 'diffmvr[detect]' with face=yolo, or "
            "give boxes=FILE.csv"
        )
    chosen = Backends(face, mask, face_weights, occluder_weights, landmarker, confidence, trusted)
    # Those that ship are whole; a broken one would fail every recording.
    for path in set(given) & set(chosen.weights.values()):
        from diffmvr.preprocessing.yolo_files import check_detector

        check_detector(path, trusted)
    return chosen


def shipped_detector(task: str) -> Path | None:
    """Return the folder of a detector that ships with diffmvr, if it does."""
    folder = weights_dir() / "detectors" / task
    return folder if (folder / "config.json").is_file() else None


def default_cleaning(
    mask: str,
    size: int,
    close: float | None = None,
    fill_gap: int | None = None,
    dilate: float | None = None,
) -> MaskCleaning:
    """Return how masks of a kind are cleaned in crops of ``size`` pixels, unless it is said."""
    detected = mask in DETECTED
    zoom = size / 512 if detected else 0.0
    return MaskCleaning(
        DEFAULT_CLEANING.close * zoom if close is None else close,
        (DEFAULT_CLEANING.fill_gap if detected else 0) if fill_gap is None else fill_gap,
        DEFAULT_CLEANING.dilate * zoom if dilate is None else dilate,
    )


def _check_detector(name: str, kind: str, weights: Path | None, installed: bool) -> None:
    """Require weights and what runs them.

    Raises:
        ValueError: naming the remedy.
    """
    if weights is None:
        other = "face=mediapipe" if name == "face" else "mask=given masks=PATH"
        raise ValueError(
            f"{name}: {kind} needs a detector and none is installed; give the folder that "
            f"python -m diffmvr.train_detector wrote, or {other}"
        )
    if not installed:
        raise ValueError(
            f"{name}: {kind} needs ultralytics, which is not installed; "
            "pip install 'diffmvr[detect]'"
        )
