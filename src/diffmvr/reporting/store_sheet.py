"""Contact sheet of a recording in a clip store: what was found, to be judged by eye.

One column a frame.  Rows: the frame as stored; its face box and midline; what hides it, in red;
the mirrored half; the past frame, with its age.
"""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageFont

from diffmvr.checks import check_number
from diffmvr.clip_store import ClipStore, sheet_path
from diffmvr.files import below, write_at_once
from diffmvr.reporting.figures import BLACK, WHITE, image_grid
from diffmvr.structures import FaceTrack, FloatArray, GuideBuilder, UInt8Array, join_clips

TILE = 176
"""Side of a picture on the sheet, in pixels."""

SHEET_FRAMES = 8
GUIDES = ("symmetric", "past")
BOX, LINE, HIDDEN = (255, 210, 0), (0, 230, 255), (255, 40, 40)
GREY_TILE = (128, 128, 128)


def save_sheets(store: ClipStore, guides: GuideBuilder) -> list[Path]:
    """Write the contact sheet of each recording that has none yet.

    Args:
        store: the store.
        guides: finds the guides ``symmetric`` and ``past``, in this order.

    Returns:
        The sheets written; a recording of which no frame was kept has none.
    """
    kept = store.manifest.filter(pl.col("frame").is_not_null())
    written = []
    for recording in kept["recording"].unique(maintain_order=True):
        path = below(store.root, sheet_path(store.root, recording))
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            sheet = Image.fromarray(recording_sheet(store, recording, guides))
            write_at_once(path, partial(sheet.save, format="png"))
            written.append(path)
    return written


def recording_sheet(
    store: ClipStore, recording: str, guides: GuideBuilder, frames: int = SHEET_FRAMES
) -> UInt8Array:
    """Draw the contact sheet of one recording.

    Only the frames shown and their past frames are read.

    Args:
        store: the store.
        recording: its name.
        guides: finds the guides ``symmetric`` and ``past``, in this order.
        frames: how many frames are shown at most.

    Returns:
        ``[H, W, 3]`` uint8.

    Raises:
        ValueError: if the recording has no frame, or the guides are other ones.
    """
    if tuple(guides.kinds) != GUIDES:
        raise ValueError(f"guides: expected the kinds {GUIDES}, got {tuple(guides.kinds)}")
    check_number("frames", frames, 1, 1000)
    rows = store.manifest.filter((pl.col("recording") == recording) & pl.col("frame").is_not_null())
    if rows.is_empty():
        raise ValueError(f"recording: {store.root} holds no frame of {recording!r}")
    chosen = choose_frames(rows["occluded_share"].to_numpy(), store.info.clear_threshold, frames)
    columns = [_column(store, rows.row(int(index), named=True), guides) for index in chosen]
    labels = ("frame", "box, midline", "hidden", "mirror", "past")
    tiles = zip(*columns, strict=True)
    images = [(label, np.stack(row)) for label, row in zip(labels, tiles, strict=True)]
    times = [
        f"#{rows['source_frame'][i]} · {rows['source_time'][i]:.2f} s" for i in chosen.tolist()
    ]
    return image_grid(images, column_labels=times)


def choose_frames(share: FloatArray, clear_threshold: float, count: int) -> np.ndarray:
    """Choose frames to look at: half of them spread over all, half over the occluded ones.

    Args:
        share: ``[T]``, occluded share of each frame.
        clear_threshold: largest share of an unobstructed frame.
        count: how many at most.

    Returns:
        Increasing indices, fewer than ``count`` where there are fewer frames.
    """
    occluded = np.flatnonzero(share > clear_threshold)
    chosen: set[int] = set(_spread(occluded, count // 2))
    rest = np.array([t for t in range(len(share)) if t not in chosen])
    return np.array(sorted({*chosen, *_spread(rest, count - len(chosen))}))


def draw_face(image: UInt8Array, track: FaceTrack) -> UInt8Array:
    """Draw the face box and the midline of a clip of one frame onto a tile of it.

    Args:
        image: ``[H, W, 3]`` uint8, the frame.
        track: of one frame.
    """
    zoom = TILE / len(image)
    picture = Image.fromarray(tile(image))
    draw = ImageDraw.Draw(picture)
    x0, y0, x1, y1 = zoom * (track.face_box[0] + 0.5) - 0.5
    draw.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=BOX, width=2)
    # The midline as long as the face is high, about its point's place beside the box's centre.
    point, along = zoom * (track.midline[0, :2] + 0.5) - 0.5, track.midline[0, 2:]
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    middle = point + along * ((centre - point) @ along)
    reach = (y1 - y0) / 2 * along
    draw.line((*(middle - reach), *(middle + reach)), fill=LINE, width=2)
    return np.asarray(picture)


def tint(image: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Return ``[H, W, 3]`` with the hidden pixels half red."""
    red = image // 2 + (np.array(HIDDEN, np.uint8) // 2)
    return np.where(mask[..., None] != 0, red, image).astype(np.uint8)


def tile(image: UInt8Array, side: int = TILE) -> UInt8Array:
    """Return a square picture in another size."""
    method = cv2.INTER_AREA if len(image) > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def _column(store: ClipStore, row: dict[str, Any], guides: GuideBuilder) -> list[UInt8Array]:
    clip_id, t, past = row["clip"], row["frame"], row["past_index"]
    now = store.read(clip_id, t, t + 1)
    pair = now if past < 0 else join_clips(store.read(clip_id, past, past + 1), now)
    found = guides(pair)
    mirror, before = found.images[-1]
    valid = found.valid[-1]
    image, mask = now.observed[0], now.mask[0]
    age = f"{row['past_age']} frame{'s' if row['past_age'] != 1 else ''} before"
    return [
        tile(image),
        _note(draw_face(image, now.track), f"{row['box_source']}, {row['axis_source']}"),
        _note(tile(tint(image, mask)), f"{row['occluded_share']:.1%} ({row['mask_source']})"),
        tile(mirror) if valid[0] else _note(tile(mirror), "shows nothing hidden"),
        _note(tile(before), age) if past >= 0 and valid[1] else _note(_grey(), "no clear frame"),
    ]


def _spread(values: np.ndarray, count: int) -> list[int]:
    """Return up to ``count`` of the values, evenly spread from first to last; one is the middle."""
    if not len(values) or not count:
        return []
    ends = (0, len(values) - 1) if count > 1 else (len(values) // 2,) * 2
    picks = np.linspace(*ends, min(count, len(values)))
    return [int(values[index]) for index in np.rint(picks).astype(int)]


def _grey() -> UInt8Array:
    return np.full((TILE, TILE, 3), GREY_TILE, np.uint8)


def _note(picture: UInt8Array, text: str) -> UInt8Array:
    """Write a line at the foot of a tile."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=12)
    draw.rectangle((0, TILE - 17, TILE, TILE), fill=BLACK)
    draw.text((4, TILE - 9), text, WHITE, font, anchor="lm")
    return np.asarray(image)
