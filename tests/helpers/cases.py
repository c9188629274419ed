"""Small inputs that failed once, restored by the small model that ships."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tests.helpers.recordings import write_pictures

from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore


class Restored:
    """A restoration: its folder, its notes, and the mask of its last frame."""

    def __init__(self, folder: Path, mask: np.ndarray) -> None:
        report = json.loads((folder / "report.json").read_text())
        self.folder = folder
        self.hidden = mask != 0
        self.notes = "\n".join(report["notes"])
        self.names = report["output"]
        name = self.names.get("video", "frames")
        self.path = folder / name

    def last(self) -> Any:
        return list(open_frames(self.path))[-1]


def restore_case(
    source: Path, folder: Path, pipeline: DiffMVRPipeline, file_format: str, **options: Any
) -> Restored:
    """Restore a recording whose last frames, two at most, are hidden in an ellipse.

    Args:
        source: the recording.
        folder: where masks and results are written.
        pipeline: the model.
        file_format: of the result.
        options: other settings.
    """
    frames = open_frames(source)
    count, info = len(list(frames)), frames.info
    masks = np.zeros((count, info.height, info.width), np.uint8)
    for mask in masks[max(1, count - 2) :]:
        cv2.ellipse(mask, (info.width // 2, info.height // 2), (24, 16), 0, 0, 360, 255, -1)
    mask_folder = folder / f"masks-{source.stem}"
    if not mask_folder.is_dir():
        write_pictures(mask_folder, masks)
    settings = RestoreSettings(
        input=str(source),
        output=str(folder / f"{source.stem}-{len(list(folder.iterdir()))}"),
        mask=str(mask_folder),
        format=file_format,
        self_check=False,
        face_box=[40.0, 30.0, 120.0, 130.0],
        **options,
    )
    return Restored(restore(settings, pipeline), masks[-1])
