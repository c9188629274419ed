"""A recording of a bright disc with a dark bar over it, and detectors that find them by colour.

They stand in for trained networks where a test is about what is made of detections.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from diffmvr.preprocessing.backends import Backends
from diffmvr.preprocessing.detection import Detections, Detector
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.scan import Scanner
from diffmvr.structures import UInt8Array

FACE, OCCLUDER, GROUND = (240, 220, 40), (20, 30, 200), (90, 90, 90)
RADIUS = 20


def disc_frames(
    centres: list[tuple[float, float] | None],
    size: tuple[int, int] = (144, 192),
    hidden: frozenset[int] | set[int] = frozenset(),
    ground: tuple[int, int, int] = GROUND,
    others: tuple[tuple[float, float, float], ...] = (),
) -> UInt8Array:
    """``[T, H, W, 3]``: a disc at each centre; in the frames ``hidden`` a bar over its lower part.

    Args:
        centres: (x, y) in pixels, or ``None`` for a frame without a disc.
        size: (height, width).
        hidden: numbers of the frames with a bar.
        ground: colour around the disc.
        others: (x, y, radius) of discs that are there in every frame.
    """
    rows, columns = np.mgrid[: size[0], : size[1]]
    frames = np.full((len(centres), *size, 3), ground, np.uint8)
    for t, centre in enumerate(centres):
        for x, y, radius in others:
            frames[t][(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = FACE
        if centre is None:
            continue
        x, y = centre
        frames[t][(columns - x) ** 2 + (rows - y) ** 2 <= RADIUS**2] = FACE
        if t in hidden:
            frames[t][(np.abs(columns - x) <= 2 * RADIUS) & (np.abs(rows - y - 8) <= 10)] = OCCLUDER
    return frames


class ByColour(Detector):
    """Finds connected patches of one colour, the largest first; a stand-in for a detector."""

    def __init__(self, colour: tuple[int, int, int], least: int = 30, outlines: bool = True):
        self.colour, self.least, self.outlines = np.array(colour), least, outlines
        self.calls = 0

    def detect(self, image: UInt8Array) -> Detections:
        """Return the patches."""
        self.calls += 1
        near = (np.abs(image.astype(int) - self.colour).sum(axis=2) < 90).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(near)
        patches = sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA])
        patches = [k for k in patches if stats[k, cv2.CC_STAT_AREA] >= self.least]
        boxes = [
            (x, y, x + w - 1, y + h - 1) for x, y, w, h, _ in (stats[k].tolist() for k in patches)
        ]
        masks = np.stack([labels == k for k in patches]) if patches else np.zeros((0, *near.shape))
        return Detections(
            np.array(boxes, float).reshape(-1, 4),
            np.ones(len(boxes)),
            masks.astype(np.uint8) if self.outlines else None,
        )


class Discs(ByColour):
    """Finds the discs whole, although a bar may hide their lower part."""

    def __init__(self) -> None:
        super().__init__(FACE, least=200, outlines=False)

    def detect(self, image: UInt8Array) -> Detections:
        """Return the box around each disc."""
        found = super().detect(image)
        boxes = found.boxes.copy()
        boxes[:, 3] = boxes[:, 1] + boxes[:, 2] - boxes[:, 0]
        return Detections(boxes, found.scores)


@dataclass(frozen=True)
class ColourBackends(Backends):
    """Backends of a run whose detectors are those above; no landmarks."""

    face: str = "given"
    mask: str = "segmentation"

    def open_scanner(
        self, boxes: Any = None, max_gap: int = 10, max_frames: int = 600, at: Any = None
    ) -> Scanner:
        """Make a scanner that tells by colour."""
        finder = OccluderFinder(ByColour(OCCLUDER)) if self.mask == "segmentation" else None
        return Scanner(Discs(), "colour", None, finder, max_gap, max_frames)
