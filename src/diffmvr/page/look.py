"""``python -m diffmvr.page.look``: where a restoration would find the face and what hides it.

It is told what ``diffmvr.restore`` is told and lays the recording out as that does, but restores
nothing; masks that are given are taken as they are.  Its output holds ``masks/00000.png``, … of
every frame and ``plan.json``, with all faces of the first frame that shows one.
"""

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.files import staged_output, write_json
from diffmvr.hidden_packages import begin_restoration
from diffmvr.models.base_checkpoint import read_trained_side, resolve_folder
from diffmvr.parsing import user_path
from diffmvr.preprocessing.face_search import find_all
from diffmvr.progress import ProgressBars
from diffmvr.restoration.first_pass import planned
from diffmvr.restoration.opening import (
    chosen_model,
    found_mask_cleaning,
    open_given_masks,
    open_recording,
    open_scanner,
    usable_bundle,
)
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restoration.windows import corner_and_side

MASKS, PLAN = "masks", "plan.json"


def look(settings: RestoreSettings) -> None:
    """Write what was found into ``settings.output``.

    Raises:
        ValueError: if no face was found, or an input or a setting cannot be used.
    """
    frames = open_recording(settings)
    bundle, _ = usable_bundle(settings.landmarker)
    given = open_given_masks(settings, frames)
    scanner, _ = open_scanner(settings, frames, given is not None, None, bundle)
    side = partial(read_trained_side, resolve_folder(chosen_model(settings)))
    rows: list[dict[str, Any]] = []
    nothing = np.zeros((frames.info.height, frames.info.width), np.uint8)
    with staged_output(user_path(settings.output)) as staging, ProgressBars() as progress:
        task = progress.add_task("finding faces", total=frames.info.frame_count, unit="frames")
        (staging / MASKS).mkdir()
        cleaning = found_mask_cleaning(settings.detect)
        seen = partial(progress.advance, task)
        with planned(frames, given, scanner, side, cleaning, seen) as plans:
            for plan in plans:
                for t, index in enumerate(plan.frame_index.tolist()):
                    # Of damaged frames, which are missing, there are masks all the same.
                    for missing in range(len(rows), index + 1):
                        _write(staging / MASKS, missing, nothing)
                        rows.append({"index": missing, "person": None})
                    found = (plan.found_masks or {}).get(index)
                    if found is not None:
                        _write(staging / MASKS, index, found.in_frame())
                    rows[index] |= {
                        "time": float(plan.times[t]),
                        "mask_share": float(plan.mask_share[t]),
                        "restored": bool(plan.mask_share[t] > 0),
                        "person": plan.person,
                        "crop": corner_and_side(plan.crops[t]),
                        "region_source": plan.region_source[t],
                    }
        if given is not None:
            for index, mask in enumerate(islice(given, len(rows))):
                _write(staging / MASKS, index, mask)
        first = next((row["index"] for row in rows if row["person"] is not None), 0)
        image = next(frame.image for frame in frames if frame.index >= first)
        faces = find_all(scanner.faces, image).round().tolist()
        write_json(staging / PLAN, {"frames": rows, "faces": faces})


def _write(folder: Path, index: int, mask: np.ndarray) -> None:
    cv2.imwrite(str(folder / f"{index:05d}.png"), 255 * mask)


@entry_point("restore", "restore")
def main(config: DictConfig) -> None:
    """Look at the recording that the composed configuration names."""
    look(RestoreSettings.from_config(config))


if __name__ == "__main__":
    begin_restoration()
    main()
