"""Contact sheets: rows of frames with a label, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffmvr.checks import check_shape
from diffmvr.structures import UInt8Array

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def image_grid(
    rows: Sequence[tuple[str, UInt8Array]],
    *,
    upscale: int = 1,
    column_labels: Sequence[str] | None = None,
    gap: int = 2,
) -> UInt8Array:
    """Lay out labelled rows of images on white.

    Args:
        rows: label and ``[T, H, W, 3]`` uint8 images of each row; equal H and W, any T.
        upscale: whole factor by which each pixel is enlarged (no smoothing: what is shown is what
            was scored).
        column_labels: names above the columns, at least as many as the longest row has images.
        gap: pixels between images.

    Returns:
        ``[H', W', 3]`` uint8.

    Raises:
        ValueError: if there are no rows, sizes differ, or a number does not fit.
    """
    if not rows:
        raise ValueError("rows: expected at least one row of images, got none")
    if upscale < 1:
        raise ValueError(f"upscale: expected a whole number ≥ 1, got {upscale}")
    check_shape(f"images of row {rows[0][0]!r}", rows[0][1], (None, None, None, 3))
    _, height, width, _ = rows[0][1].shape
    for label, images in rows[1:]:
        check_shape(f"images of row {label!r}", images, (None, height, width, 3))
    columns = max(len(images) for _, images in rows)
    if column_labels is not None and len(column_labels) < columns:
        raise ValueError(
            f"column_labels: expected at least {columns} names, got {len(column_labels)}"
        )
    cell_height, cell_width = height * upscale, width * upscale
    font_size = max(10, min(18, cell_height // 6))
    font = ImageFont.load_default(size=font_size)
    left = gap + max(_text_width(font, label) for label, _ in rows) + 6
    top = gap + (round(1.6 * font_size) if column_labels is not None else 0)
    size = (left + columns * (cell_width + gap), top + len(rows) * (cell_height + gap))
    sheet = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(sheet)
    for r, (label, images) in enumerate(rows):
        y = top + r * (cell_height + gap)
        draw.text((gap, y + cell_height // 2), label, BLACK, font, anchor="lm")
        for c, image in enumerate(images):
            sheet.paste(_enlarged(image, upscale), (left + c * (cell_width + gap), y))
    for c, name in enumerate(column_labels or ()):
        x = left + c * (cell_width + gap) + cell_width // 2
        draw.text((x, top // 2), name, BLACK, font, anchor="mm")
    return np.asarray(sheet)


def save_png(image: UInt8Array, path: Path) -> Path:
    """Write ``[H, W, 3]`` uint8 RGB as PNG, making the folder if needed.

    Raises:
        ValueError: if the path does not end in ``.png``.
    """
    check_shape("image", image, (None, None, 3))
    if path.suffix.lower() != ".png":
        raise ValueError(f"path: expected a name ending in .png, got {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, optimize=True)
    return path


def _text_width(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> int:
    return int(np.ceil(font.getlength(text)))


def _enlarged(image: UInt8Array, factor: int) -> Image.Image:
    return Image.fromarray(image.repeat(factor, axis=0).repeat(factor, axis=1))
