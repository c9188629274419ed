"""What the page shows of a result: pairs of pictures, the film, and what the report says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from diffmvr.files import read_json
from diffmvr.page.doubt import ToldDoubt, read_doubt
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.structures import UInt8Array

MOST_PAIRS = 12
LARGEST_SIDE = 1280


@dataclass(frozen=True)
class Pair:
    """One frame before and after.

    Attributes:
        index: number of the frame.
        seconds: when it is shown.
        before: the picture of the recording.
        after: the picture of the result.
    """

    index: int
    seconds: float
    before: Path
    after: Path


@dataclass(frozen=True)
class Result:
    """What was made of a recording.

    Attributes:
        pairs: frames of which something was restored, or the first one if there is none.
        film: original and restored side by side; ``None`` if no film was written.
        facts: what the report says, as (what, how much).
        notes: what the reader should know.
        doubt: how sure it is; ``None`` where nobody says.
    """

    pairs: tuple[Pair, ...]
    film: Path | None
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    doubt: ToldDoubt | None = None


def read_result(recording: Path, folder: Path, pictures: Path) -> Result:
    """Read what a restoration wrote.

    Args:
        recording: the file that was restored.
        folder: the output of ``diffmvr.restore`` with ``concat=true``, and with ``overlay=doubt``
            if its doubt is to be shown.
        pictures: a folder for the pairs of pictures; it is made.
    """
    report = read_json(folder / "report.json")
    chosen = choose_frames(report["frames"])
    films = sorted(folder.glob("concat.*"))
    return Result(
        pairs=tuple(_pairs(recording, folder, pictures, chosen)),
        film=films[0] if films else None,
        facts=tuple(told_facts(report)),
        notes=tuple(report["notes"]),
        doubt=read_doubt(folder, report["frames"]),
    )


def choose_frames(frames: Sequence[dict[str, Any]], most: int = MOST_PAIRS) -> dict[int, float]:
    """Return the numbers of the frames to be shown of a result, and their times in seconds.

    Args:
        frames: the rows of a report.
        most: how many at most; they are spread over those that were restored.
    """
    return spread([row for row in frames if row["restored"]] or frames[:1], most)


def spread(frames: Sequence[dict[str, Any]], most: int = MOST_PAIRS) -> dict[int, float]:
    """Return the numbers and times of rows that are spread over all, the first and last too."""
    places = np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int)
    return {frames[k]["index"]: frames[k]["time"] for k in np.unique(places)}


def told_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a report says that a reader of the page wants to know first."""
    rows = report["frames"]
    restored = [row for row in rows if row["restored"]]
    facts = [("Frames restored", f"{len(restored)} of {len(rows)}")]
    if restored:
        share = max(row["mask_share"] for row in restored)
        facts.append(("Most hidden in a frame", f"{100 * share:.0f} % of the picture"))
        unseen = sum(row["region_source"] == "none" for row in restored)
        if unseen:
            facts.append(("Restored where no face was found", f"{unseen} frames"))
    check = report.get("self_check")
    if check:
        tried = f"{check['psnr_model']:.1f} dB on {check['frames']} of its own clear frames"
        facts.append(("Tried on this recording", tried))
    facts.append(("Model", report["model"]))
    return facts


def shrink(image: UInt8Array, side: int = LARGEST_SIDE) -> UInt8Array:
    """Return a picture ``[H, W, 3]`` whose longer side has no more pixels than that."""
    zoom = side / max(image.shape[:2])
    if zoom >= 1:
        return image
    size = round(zoom * image.shape[1]), round(zoom * image.shape[0])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def save(image: UInt8Array, path: Path) -> Path:
    """Write a picture ``[H, W, 3]`` as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, "PNG")
    return path


def _pairs(recording: Path, folder: Path, pictures: Path, chosen: dict[int, float]) -> list[Pair]:
    films = sorted(folder.glob("restored.*"))
    after = read_frames(films[0] if films else folder / "frames", set(chosen))
    before = read_frames(recording, set(chosen))
    return [
        Pair(
            index,
            seconds,
            save(shrink(before[index].image), pictures / f"{index:05d}-before.png"),
            save(shrink(after[index].image), pictures / f"{index:05d}-after.png"),
        )
        for index, seconds in chosen.items()
        if index in before and index in after
    ]


def read_frames(path: Path, wanted: set[int]) -> dict[int, Frame]:
    """Return the frames of those numbers; what comes after the last is not read."""
    found: dict[int, Frame] = {}
    for frame in open_frames(path, "input", None, True):
        if frame.index in wanted:
            found[frame.index] = frame
        if frame.index >= max(wanted):
            break
    return found
