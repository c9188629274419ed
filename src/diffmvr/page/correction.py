"""What was found to hide the face, as the visitor sees and corrects it.

H × W are the sides of the recording's frames.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from diffmvr.checks import check_one_of, check_shape
from diffmvr.files import read_json, write_at_once
from diffmvr.page.comparison import read_frames, spread
from diffmvr.picture_files import open_picture
from diffmvr.structures import FloatArray, UInt8Array

SCOPES = ("this frame", "from this frame on", "all frames")
"""Where a correction counts; beyond its own frame it moves with the face."""

EDITED_SIDE = 640
"""Pixels of the longer side of the picture that is drawn on."""

RED, BLUE = (211, 47, 47), (31, 95, 191)
# A brush's soft edge below this opacity does not hide anything.
DRAWN = 40
_MASKS, _CORRECTED = "masks", "corrected"


class FoundPlan:
    """What ``diffmvr.page.look`` found in a recording, and the visitor's corrections.

    Args:
        recording: the file.
        folder: the output of that command.
    """

    def __init__(self, recording: Path, folder: Path) -> None:
        self.folder = folder
        plan = read_json(folder / "plan.json")
        self.rows: list[dict[str, Any]] = plan["frames"]
        self.faces: list[list[float]] = plan["faces"]
        self._chosen = spread([row for row in self.rows if "time" in row])
        self._frames = read_frames(recording, set(self._chosen))

    @property
    def shown(self) -> list[int]:
        """Numbers of the frames that can be looked at."""
        return [index for index in self._chosen if index in self._frames]

    @property
    def corrected(self) -> Path | None:
        """Folder of the corrected masks; ``None`` if nothing was corrected."""
        folder = self.folder / _CORRECTED
        return folder if folder.is_dir() else None

    def mask(self, index: int) -> UInt8Array:
        """Return ``[H, W]`` 0/1, what hides a frame."""
        path = (self.corrected or self.folder / _MASKS) / f"{index:05d}.png"
        return (np.asarray(open_picture(path, "mask")) > 0).astype(np.uint8)

    def look(self, index: int) -> UInt8Array:
        """Return ``[h, w, 3]``, a frame to be looked at and drawn on.

        What is hidden is red, and there is a line around the square that is restored.
        """
        image = self._frames[index].image.copy()
        hidden = self.mask(index) != 0
        image[hidden] = (image[hidden].astype(int) + RED) // 2
        row = self.rows[index]
        if row["person"] is not None:
            x, y, side = row["crop"]
            corner, opposite = (round(x), round(y)), (round(x + side), round(y + side))
            width = max(1, round(max(image.shape[:2]) / 300))
            cv2.rectangle(image, corner, opposite, (255, 255, 255), 3 * width)
            cv2.rectangle(image, corner, opposite, BLUE, width)
        # A brush is as large on every recording.
        zoom = EDITED_SIDE / max(image.shape[:2])
        size = round(zoom * image.shape[1]), round(zoom * image.shape[0])
        how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)

    def correct(self, index: int, layers: list[UInt8Array], hides: bool, scope: str) -> int:
        """Take a drawing as hidden, or as not hidden, in its frame and in others.

        Args:
            index: number of the frame that was drawn on.
            layers: ``[h, w, 4]`` each, what was drawn.
            hides: whether the face is hidden there; ``False``: it is not.
            scope: one of ``SCOPES``.

        Returns:
            How many masks have changed.
        """
        check_one_of("scope", scope, SCOPES)
        drawn = drawn_mask(layers, self.mask(index).shape)
        changed = 0
        for other, row in enumerate(self.rows):
            later = other > index and scope == SCOPES[1]
            if not (other == index or later or scope == SCOPES[2]):
                continue
            moved = self._move(index, other, row)
            if moved is None:
                continue
            mask, there = self.mask(other), _warp(drawn, moved)
            new = mask | there if hides else mask & (1 - there)
            if (new != mask).any():
                path = self._copied() / f"{other:05d}.png"
                write_at_once(path, partial(_save_mask, new))
                changed += 1
        return changed

    def _copied(self) -> Path:
        folder = self.folder / _CORRECTED
        if not folder.is_dir():
            # Whole or absent: a restoration may begin meanwhile.
            copied = self.folder / "copying"
            shutil.copytree(self.folder / _MASKS, copied, dirs_exist_ok=True)
            copied.rename(folder)
        return folder

    def _move(self, index: int, other: int, row: dict[str, Any]) -> FloatArray | None:
        """Return ``[2, 3]``, pixels of a frame → of another by the face; ``None``: not this one."""
        if other == index:
            return np.eye(2, 3)
        own = self.rows[index]
        if own["person"] is None or row["person"] != own["person"]:
            return None
        (x, y, side), (to_x, to_y, to_side) = own["crop"], row["crop"]
        zoom = to_side / side
        return np.array([[zoom, 0, to_x - zoom * x], [0, zoom, to_y - zoom * y]])


def drawn_mask(layers: list[UInt8Array], size: tuple[int, ...]) -> UInt8Array:
    """Return ``[H, W]`` 0/1: where something is drawn, at the size of the frame.

    Args:
        layers: ``[h, w, 4]`` each.
        size: (H, W).
    """
    mask = np.zeros(size, np.uint8)
    for layer in layers:
        check_shape("layer", layer, (*layer.shape[:2], 4))
        opacity = cv2.resize(layer[..., 3], size[::-1], interpolation=cv2.INTER_NEAREST)
        mask |= (opacity > DRAWN).astype(np.uint8)
    return mask


def _save_mask(mask: UInt8Array, path: Path) -> None:
    Image.fromarray(255 * mask).save(path, "PNG")


def _warp(mask: UInt8Array, matrix: Any) -> UInt8Array:
    size = mask.shape[::-1]
    return np.asarray(cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST), np.uint8)
