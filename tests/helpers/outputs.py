"""Outputs of ``diffmvr.restore`` written by its own parts, without a model: quick and real."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from tests.helpers.recordings import box_masks, moving_frames, write_video

from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.provenance.manifest import write_manifest
from diffmvr.restoration.output import RestorationOutput
from diffmvr.restoration.report import (
    FrameRecord,
    ReferenceRecord,
    RestorationReport,
    RestoredFrame,
)
from diffmvr.structures import UInt8Array

COUNT = 8


def record_of(index: int, time: float, mask: UInt8Array) -> FrameRecord:
    """A row of a report whose values are plausible."""
    hidden = bool(mask.any())
    references = (ReferenceRecord(0, index, 0.75), ReferenceRecord(1, index - 1, 0.25))
    return FrameRecord(
        index=index,
        time=time,
        restored=hidden,
        mask_share=float(mask.mean()),
        past_index=None,
        past_age=None,
        guide_valid={"past": hidden},
        references=references if hidden else (),
        axis_source="box",
        region_source="face",
        crop=(0.0, 0.0, 72.0),
        region=(0.0, 0.0, 72.0),
    )


def report_of(frames: FrameSource, output: RestorationOutput) -> RestorationReport:
    """A report of what an output holds."""
    return RestorationReport(
        input=frames.info.name,
        mask="given",
        output=output.names,
        frame_rate=str(frames.info.frame_rate),
        size=(frames.info.width, frames.info.height),
        seed=0,
        steps=1,
        guide_kinds=("past",),
        guide_scales=None,
        own_guides={},
        model="diffmvr-tiny",
        weights_sha256={"unet/model.safetensors": "0" * 64},
        settings={"format": "png", "seed": 0},
        self_check=None,
        notes=("a note",),
        frames=tuple(output.records),
    )


def make_output(
    folder: Path,
    file_format: str = "ffv1",
    key: Any | None = None,
    concat: bool = False,
    audio: bool = False,
) -> Path:
    """Write an output of eight frames, of which the last five have a hole that is filled grey."""
    source = write_video(
        folder.with_name(f"{folder.name}-in.mkv"),
        moving_frames(COUNT),
        Fraction(25),
        audio="aac" if audio else None,
    )
    frames, masks = open_frames(source), box_masks(COUNT)
    folder.mkdir(parents=True)
    output = RestorationOutput(folder, frames, file_format, concat)
    with output:
        for frame, mask in zip(frames, masks, strict=True):
            image = np.where(mask[..., None] != 0, np.uint8(128), frame.image)
            restored = type(frame)(frame.index, frame.pts, frame.duration, image)
            time = float(frame.pts * frames.info.time_base)
            record = record_of(frame.index, time, mask)
            output.write(RestoredFrame(frame, restored, mask, record))
    report_of(frames, output).write(folder / "report.json")
    write_manifest(folder, output.masks, key=key)
    return folder
