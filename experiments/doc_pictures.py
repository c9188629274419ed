"""Draw the pictures of real faces that the README and the documentation show.

    DIFFMVR_SHARED=FOLDER python experiments/doc_pictures.py

The people are test people of the Face Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0),
with whom nothing that ships was trained.  A recording of each is made of two photographs
(``data=portraits``), a hand is drawn over it, and ``python -m diffmvr.restore`` restores it with
its defaults.  Who and what is shown follows from the smile that the recordings were made with, and
not from how the results look.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from drawn_occluders import hide
from PIL import Image
from real_clips import restore_exactly

from diffmvr.config import weights_dir
from diffmvr.data.portraits import PortraitClip, PortraitClips
from diffmvr.landmarker_bundle import SHARED_VARIABLE
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.reporting import image_grid
from diffmvr.structures import UInt8Array

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PEOPLE, FRAMES, SIDE, RATE, SEED = 6, 64, 256, 10, 0
QUALITY = 88
MUCH = 0.3
"""A smile has changed if it differs by more than this from that of the newest clear frame."""


@dataclass(frozen=True)
class Covered:
    """A recording with a hand over it.

    Attributes:
        clip: the recording and what is known of it.
        observed: ``[T, H, W, 3]`` uint8, with the hand.
        mask: ``[T, H, W]`` 0/1, 1 = hidden.
    """

    clip: PortraitClip
    observed: UInt8Array
    mask: UInt8Array

    @property
    def hidden_share(self) -> np.ndarray:
        """``[T]``, the hidden share of the frame."""
        return self.mask.mean(axis=(1, 2))

    @property
    def change(self) -> np.ndarray:
        """``[T]``, how far the smile is from the newest clear frame's; NaN where nothing hides."""
        newest, found = np.nan, np.full(len(self.mask), np.nan)
        for t, share in enumerate(self.hidden_share):
            if share == 0:
                newest = float(self.clip.smile[t])
            else:
                found[t] = abs(float(self.clip.smile[t]) - newest)
        return found

    def most_hidden(self, frames: np.ndarray) -> int:
        """Return that of the frames in which most is hidden."""
        return int(frames[self.hidden_share[frames].argmax()])

    def after(self, first: int) -> "Covered":
        """Return the recording from a frame on; what is known of its face stays whole."""
        return Covered(self.clip, self.observed[first:], self.mask[first:])


def cover(clip: PortraitClip) -> Covered:
    """Draw a hand over a recording."""
    hidden = hide(clip.frames, clip.track, "hand", clip.clip_id)
    return Covered(clip, hidden.observed, hidden.outline)


def restore_covered(covered: Covered, **options: Any) -> tuple[UInt8Array, dict[str, Any]]:
    """Return what ``python -m diffmvr.restore`` makes of a recording, and its report."""
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        (work / "masks").mkdir()
        info = VideoInfo("input.mkv", SIDE, SIDE, Fraction(RATE), Fraction(1, RATE))
        with VideoWriter(work / "input.mkv", info, "ffv1") as writer:
            for index, image in enumerate(covered.observed):
                writer.write(Frame(index, index, 1, image))
        for index, hidden in enumerate(covered.mask):
            Image.fromarray(255 * hidden).save(work / "masks" / f"{index:05d}.png")
        weights = str(weights_dir() / "diffmvr-tiny")
        recording, report = restore_exactly(
            work / "input.mkv", work / "masks", work / "restored", weights, options
        )
        return np.asarray(recording.frames), report


def shown(
    covered: Covered, restored: UInt8Array, frames: Sequence[int], offset: int = 0
) -> list[tuple[str, UInt8Array]]:
    """Return the rows of a picture: recorded, restored, and what was there."""
    chosen = list(frames)
    return [
        ("recorded", covered.observed[chosen]),
        ("restored", restored[chosen]),
        ("truth", covered.clip.frames[offset:][chosen]),
    ]


def save(name: str, rows: Sequence[tuple[str, UInt8Array]], labels: Sequence[str]) -> None:
    """Write a picture for the pages."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(image_grid(rows, column_labels=labels, gap=4))
    image.save(PICTURES / f"{name}.jpg", quality=QUALITY, optimize=True)


def main() -> None:
    """Draw every picture.

    Raises:
        ValueError: if the people's pictures are not there.
    """
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        raise ValueError(f"{SHARED_VARIABLE}: expected the folder of data/london, got nothing")
    source = PortraitClips(
        Path(shared) / "data" / "london",
        seed=SEED,
        clips_per_subject=1,
        num_frames=FRAMES,
        frame_rate=RATE,
        size=SIDE,
        new_walls=0,
        people="test",
    )
    recordings = [cover(source[index]) for index in range(PEOPLE)]
    changes = [np.nanmax(one.change) for one in recordings]
    same, other = (recordings[int(pick(changes))] for pick in (np.argmin, np.argmax))

    # 1. An expression that was seen before, and one that changed under the hand.
    facts: dict[str, Any] = {"people": [one.clip.subject_id for one in (same, other)]}
    rows: dict[str, list[UInt8Array]] = {}
    for covered, wanted in ((same, "seen"), (other, "changed")):
        restored, report = restore_covered(covered)
        change = covered.change
        hidden = np.flatnonzero(change > MUCH if wanted == "changed" else change <= MUCH)
        halves = hidden[hidden < FRAMES // 2], hidden[hidden >= FRAMES // 2]
        frames = [covered.most_hidden(part) for part in halves if len(part)]
        facts[wanted] = {
            "frames": frames,
            "change": [round(float(change[t]), 2) for t in frames],
            "notes": report["notes"],
            "self_check": report["self_check"],
        }
        for label, images in shown(covered, restored, frames):
            rows.setdefault(label, []).append(images)
    labels = [
        *("seen before" for _ in facts["seen"]["frames"]),
        *("changed under the hand" for _ in facts["changed"]["frames"]),
    ]
    save("restored", [(label, np.concatenate(parts)) for label, parts in rows.items()], labels)

    # 2. A recording that begins behind the hand.
    first = int(np.flatnonzero(same.hidden_share > 0)[0]) + 6
    late = same.after(first)
    restored, report = restore_covered(late)
    shares = late.hidden_share
    clear = int(np.flatnonzero(shares == 0)[0])
    frames = [0, clear // 2, late.most_hidden(clear + np.flatnonzero(shares[clear:] > 0))]
    facts["late"] = {"first": first, "frames": frames, "notes": report["notes"]}
    labels = ["first frame", f"frame {frames[1]}", f"frame {frames[2]}, seen before"]
    save("no_clear_frame", shown(late, restored, frames, first), labels)

    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    (PICTURES / "facts.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
