"""A picture of a restoration: frames from its course, before and after."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from diffmvr.doubt.judgement import FrameDoubt
from diffmvr.restoration.doubt_picture import age_text, error_text, fitting_font
from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.spread import Spread
from diffmvr.structures import UInt8Array

COLUMNS = 6
HEIGHT = 240
GAP = 4
LINE = 20


class ContactSheet:
    """Collects a few frames on the way and lays them out: original, hole in red, restored.

    Below each stand the age of the nearest clear view and the expected error, where they are known.
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
        label = _label(frame.record.doubt, shown[0].shape[1])
        return np.concatenate([*shown, label])

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


def _label(doubt: FrameDoubt | None, width: int) -> UInt8Array:
    """Return what is said of a frame, black on white; nothing where nobody says."""
    lines = [] if doubt is None else [age_text(doubt), error_text(doubt)]
    canvas = Image.new("RGB", (width, LINE * len(lines)), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    for row, text in enumerate(lines):
        font = fitting_font(text, width - 2 * GAP, LINE - 5)
        draw.text((GAP, (row + 0.5) * LINE), text, (0, 0, 0), font, anchor="lm")
    return np.asarray(canvas)
