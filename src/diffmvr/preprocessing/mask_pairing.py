"""Which mask belongs to which frame, by what both are called."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def pair_masks(frames: Sequence[Path], masks: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Find the mask of each frame: the one of its name, else the one of its number.

    Args:
        frames: picture files in order.
        masks: picture files in order.

    Returns:
        One mask for each frame, and the masks that no frame has.

    Raises:
        ValueError: naming the first frame that has no mask.
    """
    frame_names, mask_names = ([file.stem for file in files] for files in (frames, masks))
    own, given = numbers_of(frame_names), numbers_of(mask_names)
    if not set(frame_names) & set(mask_names) and own is not None and given is not None:
        return _look_up((own, frames), (given, masks), "number")
    return _look_up((frame_names, frames), (mask_names, masks), "name")


def check_gapless(masks: Sequence[Path]) -> None:
    """Require numbers without a gap of masks that are taken one after the other.

    Raises:
        ValueError: naming the first number that is absent.
    """
    numbers = numbers_of([file.stem for file in masks])
    if numbers is None:
        return
    for k in range(1, len(numbers)):
        if numbers[k] != numbers[k - 1] + 1:
            raise ValueError(
                f"mask: {masks[0].parent} has {masks[k - 1].name} and then {masks[k].name}, so that"
                f" mask {numbers[k - 1] + 1} is absent; give one mask for each frame"
            )


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """Return the number that tells names apart; ``None`` if none does.

    It is the last one that differs everywhere: ``cam2_0007_v1`` beside ``cam2_0008_v1`` is 7.
    """
    rows = [[int(digits) for digits in re.findall(r"[0-9]+", name)] for name in names]
    if len({len(row) for row in rows}) != 1:
        return None
    columns = [list(column) for column in zip(*rows, strict=True)]
    return next((c for c in reversed(columns) if len(set(c)) == len(names)), None)


def _look_up(
    frames: tuple[Sequence[Any], Sequence[Path]],
    masks: tuple[Sequence[Any], Sequence[Path]],
    what: str,
) -> tuple[list[Path], list[Path]]:
    by_key = dict(zip(*masks, strict=True))
    paired = []
    for key, frame in zip(*frames, strict=True):
        if key not in by_key:
            first = masks[1][0]
            raise ValueError(
                f"mask: {frame.name} has no mask of its {what} in {first.parent} (which begins with"
                f" {first.name}); give one mask for each frame, named or numbered like it"
            )
        paired.append(by_key[key])
    taken = set(paired)
    return paired, [mask for mask in masks[1] if mask not in taken]
