"""What the systems of the real-face benchmark made, kept to be looked at: strips and sheets."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from real_faces_rows import RowFiles

from diffmvr.reporting import image_grid, save_png
from diffmvr.structures import Clip, UInt8Array

QUALITY = 92
SHOWN = (0.2, 0.8)
"""Which of the hidden frames are shown beside the worst one, as shares of their number."""


class Strips:
    """Every hidden frame of a restoration below the other, one JPEG a restoration.

    Args:
        folder: outside the repository.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, clip: Clip, mask_type: str, restored: Mapping[str, UInt8Array]) -> None:
        """Keep restorations by the name of who made them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        for name, frames in restored.items():
            strip = frames[hidden].reshape(-1, *frames.shape[2:])
            Image.fromarray(strip).save(self._path(clip.clip_id, mask_type, name), quality=QUALITY)

    def load(self, clip_id: str, mask_type: str, name: str) -> UInt8Array | None:
        """Return ``[N, S, S, 3]``, or ``None`` where nothing was kept."""
        path = self._path(clip_id, mask_type, name)
        if not path.is_file():
            return None
        strip = np.asarray(Image.open(path))
        side = strip.shape[1]
        return strip.reshape(-1, side, side, 3)

    def _path(self, clip_id: str, mask_type: str, name: str) -> Path:
        return self.folder / f"{clip_id}_{mask_type}_{name}.jpg"


def make_sheet(
    recording: str, files: RowFiles, strips: Strips, path: Path, mask_type: str = "segmentation"
) -> None:
    """Lay out some hidden frames of a recording under each occluder: input, systems, truth.

    The last of the three frames of an occluder is the worst one: where the best of the systems has
    the lowest PSNR.
    """
    frames = files.frames().filter(
        (pl.col("subject_id") == recording) & (pl.col("mask_type") == mask_type)
    )
    rows, columns = [], None
    for clip_id in dict.fromkeys(frames["clip_id"]):
        own = frames.filter(pl.col("clip_id") == clip_id)
        found = {"input": strips.load(clip_id, mask_type, "occluded")}
        by_score = own.group_by("restorer").agg(pl.col("psnr_hole").mean()).sort("psnr_hole")
        systems = [name for name in by_score["restorer"] if name != "occluded"]
        found |= {name: strips.load(clip_id, mask_type, name) for name in systems}
        found["truth"] = strips.load(clip_id, mask_type, "truth")
        shown = {name: strip for name, strip in found.items() if strip is not None}
        columns = columns or list(shown)
        if len(columns) < 3 or set(columns) != set(shown):
            continue
        numbers = sorted(set(own["frame"]))
        best = own.group_by("frame").agg(pl.col("psnr_hole").max()).sort("frame")["psnr_hole"]
        picks = [int(share * (len(numbers) - 1)) for share in SHOWN] + [int(best.arg_min() or 0)]
        for pick, word in zip(picks, ("", "", ", worst"), strict=True):
            label = f"{clip_id.split('_')[-1]} {numbers[pick]}{word}"
            rows.append((label, np.stack([shown[name][pick] for name in columns])))
    if rows:
        save_png(image_grid(rows, column_labels=columns), path)


def make_people_sheet(
    files: RowFiles, strips: Strips, path: Path, mask_type: str, number: int = 16
) -> None:
    """Lay out one clip of one hidden frame a row: half of the rows the worst, half evenly spread.

    The worst are those where the best of the systems has the lowest PSNR.
    """
    frames = files.frames().filter(pl.col("mask_type") == mask_type)
    by_score = frames.group_by("restorer").agg(pl.col("psnr_hole").mean()).sort("psnr_hole")
    columns = [name for name in by_score["restorer"] if name != "occluded"]
    best = frames.group_by("clip_id").agg(pl.col("psnr_hole").max()).sort("psnr_hole")["clip_id"]
    worst = best.to_list()[: number // 2]
    spread = sorted(set(best) - set(worst))
    step = max(1, 2 * len(spread) // number)
    rows = []
    for clip_id in [*spread[::step], *worst]:
        shown = [strips.load(clip_id, mask_type, name) for name in ("occluded", *columns, "truth")]
        found = [strip[0] for strip in shown if strip is not None]
        if len(found) == len(shown):
            rows.append((f"{clip_id}{', worst' * (clip_id in worst)}", np.stack(found)))
    if rows:
        save_png(image_grid(rows, column_labels=["input", *columns, "truth"]), path)
