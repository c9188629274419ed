"""A restoration of a folder of recordings that is killed in the midst of one of them."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from diffmvr.parsing import user_path
from diffmvr.preprocessing.frame_stream import FrameAndMask, with_masks
from diffmvr.restoration.cohort import find_cohort
from diffmvr.restoration.cohort_restoration import restore_cohort
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore

# One detector less to load; a cohort takes no box of its own.
FACE_BOX = [18.0, 12.0, 78.0, 60.0]


def restore_folder(settings: RestoreSettings, part: int, killed_at: int | None = None) -> Path:
    """Restore every recording of a folder, in parts of ``part`` frames.

    Args:
        settings: of all of them.
        part: frames of a part.
        killed_at: a frame at which this process is killed when it is read to be restored.
    """

    def read(frames: Any, masks: Any, exact: bool = False) -> Iterator[FrameAndMask]:
        for frame, mask in with_masks(frames, masks, exact):
            if frame.index == killed_at and not exact:
                os.kill(os.getpid(), signal.SIGKILL)
            yield frame, mask

    members = find_cohort(user_path(settings.input), settings.mask)
    assert members is not None
    with (
        patch.dict(os.environ),
        patch("diffmvr.restoration.recording.PART_FRAMES", part),
        patch("diffmvr.restore.with_masks", read),
    ):
        for name in ("DIFFMVR_SHARED", "DIFFMVR_FACE_LANDMARKER"):
            os.environ.pop(name, None)
        return restore_cohort(
            settings, members, lambda alone: restore(replace(alone, face_box=FACE_BOX))
        )
