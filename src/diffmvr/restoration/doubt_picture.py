"""A restored frame with its doubt over it, and a bar below that says it in numbers."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffmvr.doubt.judgement import FrameDoubt
from diffmvr.doubt.words import clock
from diffmvr.restoration.report import RestoredFrame
from diffmvr.structures import UInt8Array

FULL = 60.0
"""Half width of an interval, in grey levels, that is drawn as strongly as any."""

STRONGEST = 0.65
"""Opacity there."""

COLOUR = (255, 120, 0)
"""Orange stands out of skin, and is told from it without red and green."""

SCALE = 40.0
"""Expected error, in grey levels, at the bar's right end."""

LINES = 2


def overlaid(frame: RestoredFrame) -> UInt8Array:
    """Return ``[H, W, 3]``, the restored frame, the more orange the less sure a pixel is.

    A frame that is not restored, or of which nothing can be told, is hatched in orange.
    """
    image, hidden = frame.restored.image, frame.mask != 0
    record = frame.record.doubt
    if not hidden.any() or record is None:
        return image
    if frame.doubt is None or record.abstained:
        rows, columns = np.indices(hidden.shape)
        band = max(max(hidden.shape) // 60, 2)
        opacity = np.where((rows - columns) // band % 2, np.float32(STRONGEST), np.float32(0.15))
    else:
        width = frame.doubt.in_frame(image.shape[:2])
        opacity = np.float32(STRONGEST) * np.clip(width / np.float32(FULL), 0, 1)
    opacity = np.where(hidden, opacity, 0).astype(np.float32)[..., None]
    mixed = (1 - opacity) * image + opacity * np.array(COLOUR, np.float32)
    return np.rint(mixed).astype(np.uint8)


def bar_height(frame_height: int) -> int:
    """Return the height of the bar below a frame, even, in pixels."""
    return 2 * max(round(frame_height * 0.05), 18)


def with_bar(frame: RestoredFrame) -> UInt8Array:
    """Return ``[H + bar, W, 3]``, the overlaid frame and the bar below it."""
    picture = overlaid(frame)
    height, width = picture.shape[:2]
    canvas = Image.new("RGB", (width, bar_height(height)), (24, 24, 24))
    draw = ImageDraw.Draw(canvas)
    doubt = frame.record.doubt
    line = canvas.height // LINES
    if doubt is not None and doubt.expected_error is not None:
        low, high = doubt.error_interval or (doubt.expected_error, doubt.expected_error)
        at = [min(value / SCALE, 1) * (width - 1) for value in (low, doubt.expected_error, high)]
        draw.rectangle((at[0], canvas.height - 4, at[2], canvas.height), fill=(140, 70, 10))
        draw.rectangle((0, canvas.height - 4, at[1], canvas.height), fill=COLOUR)
    for row, text in enumerate(bar_text(frame)):
        font = fitting_font(text, width - 8, round(line * 0.75))
        draw.text((4, (row + 0.45) * line), text, (235, 235, 235), font, anchor="lm")
    return np.concatenate([picture, np.asarray(canvas)])


def bar_text(frame: RestoredFrame) -> tuple[str, str]:
    """Return the two lines of the bar: when and how old, and how sure."""
    record, doubt = frame.record, frame.record.doubt
    time = f"{clock(record.time)}.{int(record.time * 10) % 10}"
    if not record.restored:
        return time, "nothing is hidden"
    if doubt is None:
        return time, "restored; how sure it is cannot be told"
    return f"{time}   {age_text(doubt)}", error_text(doubt)


def age_text(doubt: FrameDoubt) -> str:
    """Return how old the nearest clear view is, in words."""
    return "no clear view" if doubt.age is None else f"clear view {abs(doubt.age):.1f} s away"


def error_text(doubt: FrameDoubt) -> str:
    """Return what error is to be expected, in words."""
    kept = "not restored: " if doubt.abstained else ""
    if doubt.expected_error is None:
        return f"{kept}error cannot be told"
    interval = ""
    if doubt.error_interval is not None:
        low, high = doubt.error_interval
        interval = f" ({low:.0f} to {high:.0f})"
    return f"{kept}expected error {doubt.expected_error:.0f}{interval} of 255"


@lru_cache(maxsize=256)
def fitting_font(text: str, width: int, size: int) -> Any:
    """Return Pillow's font, of at most ``size`` pixels, in which a text is ``width`` at most."""
    for smaller in range(max(size, 7), 6, -1):
        font = ImageFont.load_default(size=smaller)
        if font.getlength(text) <= width:
            break
    return font


def reduced(image: UInt8Array, height: int) -> UInt8Array:
    """Return a picture at a height, not enlarged."""
    if image.shape[0] <= height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
