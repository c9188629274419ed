"""A picture of a restoration: frames from its course, before and after."""

import cv2
import numpy as np

from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.spread import Spread
from diffmvr.structures import UInt8Array

COLUMNS = 6
HEIGHT = 240
GAP = 4


class ContactSheet:
    """Collects a few frames on the way and lays them out: original, hole in red, restored.

    Each is cut to the square that went through the model.  The frames are spread evenly over those
    that have a hole, or over all if none has one.
    """

    def __init__(self) -> None:
        self._hidden: Spread[UInt8Array] = Spread(COLUMNS)
        self._clear: Spread[UInt8Array] = Spread(COLUMNS)

    def add(self, frame: RestoredFrame) -> None:
        """Take a frame if it may be one of those to show."""
        spread = self._hidden if frame.record.restored else self._clear
        spread.add(self._column(frame) if spread.wants_next() else None)

    def _column(self, frame: RestoredFrame) -> UInt8Array:
        before, after = frame.observed.image, frame.restored.image
        tinted = before.copy()
        hidden = frame.mask != 0
        tinted[hidden] = before[hidden] // 2 + np.array([127, 0, 0], np.uint8)
        x0, y0, side = frame.record.region
        rows = slice(max(round(y0), 0), max(round(y0 + side), 1))
        columns = slice(max(round(x0), 0), max(round(x0 + side), 1))
        shown = [_thumbnail(image[rows, columns]) for image in (before, tinted, after)]
        return np.concatenate(shown)

    def image(self) -> UInt8Array:
        """Return the sheet, ``[H, W, 3]`` uint8."""
        columns = self._hidden.items or self._clear.items
        chosen = np.linspace(0, len(columns) - 1, min(COLUMNS, len(columns)))
        return np.concatenate([columns[k] for k in np.rint(chosen).astype(int)], axis=1)


def _thumbnail(image: UInt8Array) -> UInt8Array:
    """Return the picture at a height of 240 pixels, in a white frame."""
    height, width = image.shape[:2]
    size = (max(1, round(width * HEIGHT / height)), HEIGHT)
    method = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    return np.pad(resized, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=255)
